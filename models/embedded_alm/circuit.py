"""Where the tiny language model starts from: a circuit that reads the options, written into its weights.

To answer "A anger, B fear" with a letter, a model must look up which letter stands before which label. From
random weights a small transformer needs tens of thousands of prompts to find that look-up; written as a
program for a transformer (in the manner of RASP and Tracr: Weiss et al. 2021, arXiv 2106.06981; Lindner et
al. 2023, arXiv 2301.05062) it is two layers, and training starts there:

    layer 1, attention   every token fetches the letter two places before it, and the mean of the audio;
                         it sees whether the options have begun
    layer 1, MLP         a label behind a letter is an option: it writes its own logit, out of the mean, into the
                         place of that letter
    layer 2, attention   the last token takes the mean over all options: one logit for each letter

Everything that the circuit does not use starts with random input and zero output weights, so it changes
nothing at first and can learn. RMSNorm is kept near the identity by one large constant in every token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ambivox.models.embedded_alm.architecture import HEAD_WIDTH, ROPE_THETA
from ambivox.models.embedded_alm.tokenizer import LETTERS, OPENING, shown_labels

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen2AudioForConditionalGeneration

_CONSTANT = 64.0  # in every token's residual stream; all else together stays far below it
_STEEP = 20.0  # attention logits between wanted and unwanted tokens
_GATE = 10.0  # silu(10) = 9.9995: a gate is open, silu(0) = 0: it is shut
_FAR_BELOW = 16.0  # the logit of any other token under an option's letter, so label mass is near 1
_SMALL = 1 / 16  # the scale of logits in the residual stream, so that they are small beside _CONSTANT
_LETTER_DISTANCE = 2  # "A", " ", "anger"
_HEADS = 3  # of layer 1
_ROOM = 24  # dimensions that training may use as it likes


@dataclass(frozen=True)
class Places:
    """Which dimensions of the residual stream hold what, for K labels and the K letters that stand before them."""

    label_count: int

    constant = 0
    is_audio = 1
    is_label = 2
    is_option = 3
    opens_options = 4
    is_behind = 5

    @property
    def logit(self) -> slice:
        """One frame's logits, K."""
        return slice(6, 6 + self.label_count)

    @property
    def pooled(self) -> slice:
        """Their mean over the audio, K."""
        return self._after(self.logit, self.label_count)

    @property
    def label(self) -> slice:
        """Which label a token is, K."""
        return self._after(self.pooled, self.label_count)

    @property
    def letter(self) -> slice:
        """Which letter a token is, K."""
        return self._after(self.label, self.label_count)

    @property
    def before(self) -> slice:
        """Which letter stands two places before, K."""
        return self._after(self.letter, self.label_count)

    @property
    def answer(self) -> slice:
        """The logit of each letter's label, K."""
        return self._after(self.before, self.label_count)

    @property
    def used(self) -> int:
        """The number of dimensions that the circuit takes."""
        return self.answer.stop

    @staticmethod
    def _after(before: slice, width: int) -> slice:
        return slice(before.stop, before.stop + width)


def width_for(label_count: int) -> int:
    """The least width of the language model, at least _HEADS of HEAD_WIDTH, that holds the circuit and some room."""
    heads = -(-(Places(label_count).used + _ROOM) // HEAD_WIDTH)
    return max(_HEADS, heads) * HEAD_WIDTH


def inner_for(label_count: int) -> int:
    """The least width inside its MLPs: a unit for each label behind each letter, one more, and some room."""
    return -(-(label_count**2 + 1 + _ROOM) // HEAD_WIDTH) * HEAD_WIDTH


def write_circuit(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    labels: tuple[str, ...],
    head_KD: torch.Tensor,
    bias_K: torch.Tensor,
    prior_K: np.ndarray,
) -> None:
    """Write the circuit into the projector and the language model, in place.

    Args:
        model: with at least two layers, as wide as ``width_for(K)`` and ``inner_for(K)`` say.
        tokenizer: its own.
        labels: K labels.
        head_KD: the head that reads one frame of the tower's output (D wide) as logits over labels, K x D.
        bias_K: its bias.
        prior_K: the labels' shares; the answer where there is no audio.
    """
    import torch

    places = Places(len(labels))
    language_model: Any = model.model.language_model
    with torch.no_grad():
        _silence(language_model)
        _write_embeddings(model, tokenizer, labels, places, prior_K)
        _write_projector(model, places, head_KD, bias_K)
        first, second = language_model.layers[:2]
        _write_distance_head(first.self_attn, 0, places)
        _write_feature_head(first.self_attn, 1, places.is_audio, places.logit, places.pooled)
        behind = slice(places.is_behind, places.is_behind + 1)
        opens = slice(places.opens_options, places.opens_options + 1)
        _write_feature_head(first.self_attn, 2, places.opens_options, opens, behind)
        _write_options(first.mlp, places)
        _write_feature_head(second.self_attn, 0, places.is_option, places.answer, places.answer)
        _write_letters(model, tokenizer, places)


def _silence(language_model: Any) -> None:
    """Zero every weight that writes to the residual stream, every bias, and set the norms near the identity."""
    width = language_model.config.hidden_size
    for name, weight in language_model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight", "bias")):
            weight.zero_()
        elif "norm" in name:
            weight.fill_(_CONSTANT / width**0.5)


def _write_embeddings(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    labels: tuple[str, ...],
    places: Places,
    prior_K: np.ndarray,
) -> None:
    import torch

    weight = model.model.language_model.embed_tokens.weight
    weight[:, : places.used] = 0
    weight[:, places.constant] = _CONSTANT
    # Without audio the mean goes over the text: it says the prior.
    prior = np.log(np.maximum(prior_K, 1e-6))
    weight[:, places.logit] = torch.from_numpy(_SMALL * (prior - prior.mean())).to(weight.dtype)
    weight[tokenizer.convert_tokens_to_ids(OPENING), places.opens_options] = 1
    for column, letter in enumerate(LETTERS[: len(labels)]):
        weight[tokenizer.convert_tokens_to_ids(letter), places.letter.start + column] = 1
    for column, label in enumerate(shown_labels(labels)):
        row = tokenizer.convert_tokens_to_ids(label)
        weight[row, places.label.start + column] = 1
        weight[row, places.is_label] = 1


def _write_projector(
    model: Qwen2AudioForConditionalGeneration, places: Places, head_KD: torch.Tensor, bias_K: torch.Tensor
) -> None:
    """A frame becomes its logits (centred: softmax does not see a common shift) and random other readings."""
    linear = model.model.multi_modal_projector.linear
    linear.weight[: places.used] = 0
    linear.bias.zero_()
    linear.bias[places.constant] = _CONSTANT
    linear.bias[places.is_audio] = 1
    linear.weight[places.logit] = _SMALL * (head_KD - head_KD.mean(0, keepdim=True))
    linear.bias[places.logit] = _SMALL * (bias_K - bias_K.mean())


def _write_distance_head(attention: Any, head: int, places: Places) -> None:
    """Attend to the token _LETTER_DISTANCE places before: the rotations of query and key meet only there."""
    import torch

    half = HEAD_WIDTH // 2
    rates = ROPE_THETA ** (-torch.arange(half) / half)
    rows = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
    used = 6  # the fast rotations tell neighbours apart, the slower ones tell full turns apart
    # One place off costs sum(1 - cos rate) of the largest score, which must be _STEEP.
    strength = (_STEEP * HEAD_WIDTH**0.5 / (1 - torch.cos(rates[:used])).sum()) ** 0.5
    query, key = torch.zeros(HEAD_WIDTH), torch.zeros(HEAD_WIDTH)
    turned = -_LETTER_DISTANCE * rates[:used]
    query[:used], query[half : half + used] = strength * torch.cos(turned), strength * torch.sin(turned)
    key[:used] = strength
    attention.q_proj.weight[rows], attention.k_proj.weight[rows] = 0, 0
    attention.q_proj.bias[rows], attention.k_proj.bias[rows] = query, key
    _write_copy(attention, head, places.letter, places.before)


def _write_feature_head(attention: Any, head: int, feature: int, read: slice, write: slice) -> None:
    """Attend evenly to all tokens that have ``feature`` (= 1; to all, where none has it) and copy the mean."""
    rows = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
    slowest = head * HEAD_WIDTH + HEAD_WIDTH // 2 - 1  # turns by a millionth a token: blind to position
    strength = (_STEEP * HEAD_WIDTH**0.5) ** 0.5
    attention.q_proj.weight[rows], attention.k_proj.weight[rows] = 0, 0
    attention.q_proj.bias[slowest] = strength
    # The wanted score 0 and the others -_STEEP: 16-bit floats are finest near 0, so the mean stays even.
    attention.k_proj.weight[slowest, feature] = strength
    attention.k_proj.weight[slowest, Places.constant] = -strength / _CONSTANT
    _write_copy(attention, head, read, write)


def _write_copy(attention: Any, head: int, read: slice, write: slice) -> None:
    rows = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
    attention.v_proj.weight[rows] = 0
    for offset, (source, target) in enumerate(zip(_range(read), _range(write), strict=True)):
        attention.v_proj.weight[rows.start + offset, source] = 1
        attention.o_proj.weight[target, rows.start + offset] = 1


def _write_options(mlp: Any, places: Places) -> None:
    """answer[letter] = the pooled logit of the label that the token is, if the letter stands before it;
    is_option = a label with any letter before it; both behind the word that opens the options (a transcript may
    hold "B neutral" too).
    """
    each = zip(_range(places.label), _range(places.pooled), strict=True)
    letters = list(zip(_range(places.before), _range(places.answer), strict=True))
    pairs = [(*of_label, *of_letter) for of_label in each for of_letter in letters]
    for unit, (label, pooled, before, answer) in enumerate(pairs):
        _write_product(mlp, unit, [label, before, places.is_behind], pooled, answer)
    _write_product(
        mlp,
        len(pairs),
        [*_range(places.before), places.is_behind],
        places.is_label,
        places.is_option,
        needed=2,
    )


def _write_letters(
    model: Qwen2AudioForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, places: Places
) -> None:
    """The first K letters say their answers (the mean over K options is undone); all else stays far below."""
    weight = model.lm_head.weight
    weight.zero_()
    weight[:, places.constant] = -_FAR_BELOW / _CONSTANT
    for column, letter in enumerate(LETTERS[: places.label_count]):
        row = tokenizer.convert_tokens_to_ids(letter)
        weight[row, places.constant] = 0
        weight[row, places.answer.start + column] = places.label_count / _SMALL


def _write_product(
    mlp: Any, unit: int, gates: list[int], factor: int, target: int, needed: int | None = None
) -> None:
    """One SwiGLU unit as a product: target += factor where ``needed`` of the gates are 1 (all, by default)."""
    needed = len(gates) if needed is None else needed
    mlp.gate_proj.weight[unit], mlp.up_proj.weight[unit] = 0, 0
    mlp.gate_proj.weight[unit, gates] = _GATE
    mlp.gate_proj.weight[unit, Places.constant] = -_GATE * (needed - 1) / _CONSTANT  # one too few: shut
    mlp.up_proj.weight[unit, factor] = 1
    mlp.down_proj.weight[:, unit] = 0
    mlp.down_proj.weight[target, unit] = 1 / _GATE


def _range(places: slice) -> range:
    return range(places.start, places.stop)
