"""Weights of the language model: they look up which letter stands for which label.

To answer "A anger, B fear" with a letter, a model must look up which letter precedes which label. A small transformer
with random weights needs tens of thousands of prompts to learn that look-up. Written directly into the weights, as
RASP and Tracr do (Weiss et al. 2021, arXiv 2106.06981; Lindner et al. 2023, arXiv 2301.05062), it takes two layers:

    layer 1, attention   each token copies the letter two tokens before it and the mean logits of the audio, and
                         determines whether the options have begun
    layer 1, MLP         a label that a letter precedes is an option: it copies its mean logit to the dimension of
                         that letter
    layer 2, attention   the last token takes the mean over all options, which gives one logit per letter

Dimensions and units that the look-up does not use have random input weights and zero output weights: they change
nothing, and fine-tuning can use them. Nothing here is trained: 30 to 60 steps on the annotation prompt never lowered the
loss on validation speakers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ambivox.models.embedded_alm.hand_written_layers import (
    CONSTANT,
    dimensions,
    write_copy_from_distance,
    write_mean_by_feature,
    write_product,
)
from ambivox.models.embedded_alm.language_model_layout import LanguageModelLayout
from ambivox.models.embedded_alm.tokenizer import LETTERS, OPENING, shown_labels

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen2AudioForConditionalGeneration

_OTHER_TOKENS = 16.0  # other tokens have logits this far below a letter's, so that the label mass is near 1
_LOGIT_SCALE = 1 / 16  # of logits in the residual stream: small beside the constant
_LETTER_DISTANCE = 2  # tokens from a letter to its label: "A", " ", "anger"


def write_lookup(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    labels: tuple[str, ...],
    head_KD: torch.Tensor,
    bias_K: torch.Tensor,
    prior_K: np.ndarray,
) -> None:
    """Write the look-up into projector and language model, in place.

    Args:
        model: a model with two layers or more, of the widths that ``text_width_for`` and ``text_inner_for`` give.
        tokenizer: the model's tokenizer, built for the same labels.
        labels: K labels.
        head_KD: linear head from one frame of the tower's output (width D) to logits.
        bias_K: biases of the head.
        prior_K: probabilities of the labels: the answer to a prompt without audio.
    """
    import torch

    layout = LanguageModelLayout(len(labels))
    constant = layout.constant
    language_model: Any = model.model.language_model
    with torch.no_grad():
        _reset_weights(language_model)
        _write_embeddings(model, tokenizer, labels, layout, prior_K)
        _write_projector(model, layout, head_KD, bias_K)
        first, second = (layer.self_attn for layer in language_model.layers[:2])
        write_copy_from_distance(first, 0, _LETTER_DISTANCE, layout.letter, layout.preceding_letter)
        write_mean_by_feature(first, 1, layout.is_audio, layout.logit, layout.mean_logit, constant)
        opens = slice(layout.opens_options, layout.opens_options + 1)
        after = slice(layout.is_after_opening, layout.is_after_opening + 1)
        write_mean_by_feature(first, 2, layout.opens_options, opens, after, constant)
        _write_options(language_model.layers[0].mlp, layout)
        write_mean_by_feature(second, 0, layout.is_option, layout.letter_logit, layout.letter_logit, constant)
        _write_output(model, tokenizer, layout)


def _reset_weights(language_model: Any) -> None:
    """Zero biases and every weight that writes to the residual stream; norms near the identity."""
    width = language_model.config.hidden_size
    for name, weight in language_model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight", "bias")):
            weight.zero_()
        elif "norm" in name:
            weight.fill_(CONSTANT / width**0.5)


def _write_embeddings(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    labels: tuple[str, ...],
    layout: LanguageModelLayout,
    prior_K: np.ndarray,
) -> None:
    import torch

    weight = model.model.language_model.embed_tokens.weight
    weight[:, : layout.used] = 0
    weight[:, layout.constant] = CONSTANT
    # Without audio the mean is taken over the tokens of text, which hold the prior.
    prior = np.log(np.maximum(prior_K, 1e-6))
    weight[:, layout.logit] = torch.from_numpy(_LOGIT_SCALE * (prior - prior.mean())).to(weight.dtype)
    weight[tokenizer.convert_tokens_to_ids(OPENING), layout.opens_options] = 1
    for column, letter in enumerate(LETTERS[: len(labels)]):
        weight[tokenizer.convert_tokens_to_ids(letter), layout.letter.start + column] = 1
    for column, label in enumerate(shown_labels(labels)):
        row = tokenizer.convert_tokens_to_ids(label)
        weight[row, layout.label.start + column] = 1
        weight[row, layout.is_label] = 1


def _write_projector(
    model: Qwen2AudioForConditionalGeneration,
    layout: LanguageModelLayout,
    head_KD: torch.Tensor,
    bias_K: torch.Tensor,
) -> None:
    """A frame becomes its centred logits (softmax ignores a common shift) and random projections."""
    linear = model.model.multi_modal_projector.linear
    linear.weight[: layout.used] = 0
    linear.bias.zero_()
    linear.bias[layout.constant] = CONSTANT
    linear.bias[layout.is_audio] = 1
    linear.weight[layout.logit] = _LOGIT_SCALE * (head_KD - head_KD.mean(0, keepdim=True))
    linear.bias[layout.logit] = _LOGIT_SCALE * (bias_K - bias_K.mean())


def _write_options(mlp: Any, layout: LanguageModelLayout) -> None:
    """Per label and letter: letter_logit = mean_logit of the label, if the letter precedes it; and ``is_option``.

    Both only after the word that opens the options, since a transcript may contain "B neutral" too.
    """
    unit = 0
    for label, mean_logit in zip(dimensions(layout.label), dimensions(layout.mean_logit), strict=True):
        letters = zip(dimensions(layout.preceding_letter), dimensions(layout.letter_logit), strict=True)
        for letter, letter_logit in letters:
            gates = [label, letter, layout.is_after_opening]
            write_product(mlp, unit, gates, mean_logit, letter_logit, layout.constant)
            unit += 1
    gates = [*dimensions(layout.preceding_letter), layout.is_after_opening]
    write_product(mlp, unit, gates, layout.is_label, layout.is_option, layout.constant, needed=2)


def _write_output(
    model: Qwen2AudioForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    layout: LanguageModelLayout,
) -> None:
    """The first K letters get their logits, times K to undo the mean over the options; other tokens a low one."""
    weight = model.lm_head.weight
    weight.zero_()
    weight[:, layout.constant] = -_OTHER_TOKENS / CONSTANT
    for column, letter in enumerate(LETTERS[: layout.label_count]):
        row = tokenizer.convert_tokens_to_ids(letter)
        weight[row, layout.constant] = 0
        weight[row, layout.letter_logit.start + column] = layout.label_count / _LOGIT_SCALE
