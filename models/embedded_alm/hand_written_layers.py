"""Weights of Qwen2 attention heads and SwiGLU units for single operations: copy by distance, mean by feature, product.

All functions write in place and expect that the written rows are not used by another operation. ``constant`` is the
dimension of the residual stream that holds CONSTANT in every token; RMSNorm is then almost the identity.
"""

from __future__ import annotations

from typing import Any

from ambivox.models.embedded_alm.architecture import HEAD_WIDTH, ROPE_THETA

CONSTANT = 64.0  # in every token; the norm of all other values stays far below it
_ATTENTION_GAP = 20.0  # attention logits of tokens to attend to, minus those of all others
_GATE = 10.0  # silu(10) = 9.9995 opens a gate; silu(0) = 0 closes it
_FAST_ROTATIONS = 6  # fast rotations tell neighbours apart, slower ones tell full turns apart


def write_copy_from_distance(attention: Any, head: int, distance: int, source: slice, target: slice) -> None:
    """Copy ``source`` of the token ``distance`` places before into ``target``.

    Rotary position embeddings turn query and key by an angle per position; here they only align at that distance.
    """
    import torch

    half = HEAD_WIDTH // 2
    rates = ROPE_THETA ** (-torch.arange(half) / half)
    rows = _rows(head)
    used = _FAST_ROTATIONS
    # One position off costs sum(1 - cos rate) of the largest score, which must be _ATTENTION_GAP.
    scale = (_ATTENTION_GAP * HEAD_WIDTH**0.5 / (1 - torch.cos(rates[:used])).sum()) ** 0.5
    query, key = torch.zeros(HEAD_WIDTH), torch.zeros(HEAD_WIDTH)
    angles = -distance * rates[:used]
    query[:used], query[half : half + used] = scale * torch.cos(angles), scale * torch.sin(angles)
    key[:used] = scale
    attention.q_proj.weight[rows], attention.k_proj.weight[rows] = 0, 0
    attention.q_proj.bias[rows], attention.k_proj.bias[rows] = query, key
    _write_values(attention, head, source, target)


def write_mean_by_feature(
    attention: Any, head: int, feature: int, source: slice, target: slice, constant: int
) -> None:
    """Copy the mean of ``source`` over the tokens whose ``feature`` is 1 (all tokens, if there is none)."""
    rows = _rows(head)
    slowest = rows.start + HEAD_WIDTH // 2 - 1  # rotates by 1e-6 per token: independent of position
    scale = (_ATTENTION_GAP * HEAD_WIDTH**0.5) ** 0.5
    attention.q_proj.weight[rows], attention.k_proj.weight[rows] = 0, 0
    attention.q_proj.bias[slowest] = scale
    # Scores are 0 with the feature and -_ATTENTION_GAP without: 16-bit floats are finest near 0, so means stay even.
    attention.k_proj.weight[slowest, feature] = scale
    attention.k_proj.weight[slowest, constant] = -scale / CONSTANT
    _write_values(attention, head, source, target)


def write_product(
    mlp: Any, unit: int, gates: list[int], factor: int, target: int, constant: int, needed: int | None = None
) -> None:
    """One SwiGLU unit that adds ``factor`` to ``target`` where ``needed`` of the gates are 1 (by default all)."""
    needed = len(gates) if needed is None else needed
    mlp.gate_proj.weight[unit], mlp.up_proj.weight[unit] = 0, 0
    mlp.gate_proj.weight[unit, gates] = _GATE
    mlp.gate_proj.weight[unit, constant] = -_GATE * (needed - 1) / CONSTANT  # one gate too few: closed
    mlp.up_proj.weight[unit, factor] = 1
    mlp.down_proj.weight[:, unit] = 0
    mlp.down_proj.weight[target, unit] = 1 / _GATE


def dimensions(part: slice) -> range:
    """The dimensions of a slice, one by one."""
    return range(part.start, part.stop)


def _write_values(attention: Any, head: int, source: slice, target: slice) -> None:
    rows = _rows(head)
    attention.v_proj.weight[rows] = 0
    pairs = zip(dimensions(source), dimensions(target), strict=True)
    for row, (read, write) in enumerate(pairs, start=rows.start):
        attention.v_proj.weight[row, read] = 1
        attention.o_proj.weight[write, row] = 1


def _rows(head: int) -> slice:
    return slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
