"""Batches of utterances of similar length, padded to the longest utterance of each batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Side = Literal["left", "right"]
# Utterances are sorted by length inside windows of this many batches: padding stays small, the order stays random.
_WINDOW_BATCHES = 50


@dataclass(frozen=True)
class Batch:
    """B rows.

    Attributes:
        ids_BT: Token ids.
        mask_BT: 1 for tokens, 0 for padding.
        audio_XD: The audio states of all rows, concatenated.
        target_BK: Target distributions.
        weight_B: Weights in the loss.
    """

    ids_BT: Tensor
    mask_BT: Tensor
    audio_XD: Tensor
    target_BK: Tensor
    weight_B: Tensor


def collate(
    ids: Sequence[Sequence[int]],
    audio: Sequence[Tensor],
    target_BK: Tensor,
    weight_B: Tensor,
    pad_id: int,
    side: Side = "right",
) -> Batch:
    """Build a batch, padded to its longest row.

    Args:
        ids: Token ids per row.
        audio: Audio states per row, (audio tokens, width).
        target_BK: Target distributions.
        weight_B: Weights in the loss.
        pad_id: The token for padding.
        side: The side of the padding.
    """
    longest = max(map(len, ids))
    ids_BT = torch.full((len(ids), longest), pad_id, dtype=torch.long)
    mask_BT = torch.zeros((len(ids), longest), dtype=torch.long)
    for row, tokens in enumerate(ids):
        columns = slice(0, len(tokens)) if side == "right" else slice(longest - len(tokens), longest)
        ids_BT[row, columns] = torch.tensor(tokens)
        mask_BT[row, columns] = 1
    return Batch(ids_BT, mask_BT, torch.cat(list(audio)), target_BK, weight_B)


def by_length(length_N: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    """Divide rows into batches from short to long, for prediction.

    Args:
        length_N: The length of each row.
        batch: Rows per batch.

    Returns:
        Row numbers per batch.
    """
    order_N = np.argsort(length_N, kind="stable")
    return [order_N[start : start + batch] for start in range(0, len(order_N), batch)]


def shuffled_by_length(
    length_N: NDArray[np.int64], batch: int, random: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Divide rows into batches of similar length, in random order, for one epoch of training.

    Args:
        length_N: The length of each row.
        batch: Rows per batch.
        random: Determines the batches and their order.

    Returns:
        Row numbers per batch.
    """
    order_N = random.permutation(len(length_N))
    window = batch * _WINDOW_BATCHES
    batches = []
    for start in range(0, len(order_N), window):
        rows = order_N[start : start + window]
        rows = rows[np.argsort(length_N[rows], kind="stable")]
        batches += [rows[first : first + batch] for first in range(0, len(rows), batch)]
    return [batches[index] for index in random.permutation(len(batches))]
