"""Training examples of the language model: recordings, prompts about them, and target distributions over letters.

Also the texts that the tokenizer is trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ambivox.models.embedded_alm.tokenizer import SPECIAL_TOKENS
from ambivox.models.prompting.personas import BUILT_IN
from ambivox.models.prompting.prompts import Elicitation, Modality, Prompt, build_prompts, option_orders

if TYPE_CHECKING:
    import torch

_ELICITATIONS: tuple[Elicitation, ...] = ("exact", "sampled", "verbalised")
_MODALITIES: tuple[Modality, ...] = ("audio", "both", "transcript")
_MODALITY_SHARES = (0.6, 0.3, 0.1)


@dataclass(frozen=True)
class Recordings:
    """N recordings as input and targets of the language model.

    Attributes:
        tower_outputs: the tower's output for each recording, frames by width.
        transcripts: what is said, where it is known.
        q_NK: distributions that the tower's classifier predicts.
        p_NK: shares of votes.
    """

    tower_outputs: Sequence[torch.Tensor]
    transcripts: Sequence[str | None]
    q_NK: NDArray[np.float64]
    p_NK: NDArray[np.float64]


@dataclass(frozen=True)
class PromptedRecording:
    """A prompt about one recording, given by its row in ``Recordings``."""

    row: int
    prompt: Prompt


def draw_prompt(
    row: int, labels: tuple[str, ...], recordings: Recordings, rng: np.random.Generator
) -> PromptedRecording:
    """A prompt with random modality, option order and persona; audio only, if there is no transcript."""
    modalities = _MODALITIES if recordings.transcripts[row] else _MODALITIES[:1]
    shares = np.array(_MODALITY_SHARES[: len(modalities)])
    modality = modalities[int(rng.choice(len(modalities), p=shares / shares.sum()))]
    order = tuple(int(label) for label in rng.permutation(len(labels)))
    persona = BUILT_IN[int(rng.integers(len(BUILT_IN)))]
    return PromptedRecording(row, Prompt(persona, order, labels, modality))


def validation_prompts(rows: NDArray[np.int64], labels: tuple[str, ...]) -> list[PromptedRecording]:
    """Two prompts per recording, one after the other: balanced option orders, personas in turn."""
    orders = option_orders(len(labels), 2)
    return [
        PromptedRecording(int(row), Prompt(BUILT_IN[index % len(BUILT_IN)], order, labels))
        for index, row in enumerate(rows)
        for order in orders
    ]


def letter_targets(
    prompted: Sequence[PromptedRecording],
    recordings: Recordings,
    prior_K: NDArray[np.float64],
    vote_share: float,
) -> NDArray[np.float64]:
    """Target distributions over letters; letter i stands for the label ``prompt.order[i]``.

    Args:
        prompted: B prompts.
        recordings: predictions and votes.
        prior_K: target of prompts without audio.
        vote_share: weight of the votes in the target of prompts with audio; the rest is the classifier's
            prediction (distillation).

    Returns:
        B by K.
    """
    targets = []
    for each in prompted:
        if each.prompt.modality == "transcript":
            target_K = prior_K
        else:
            p_K, q_K = recordings.p_NK[each.row], recordings.q_NK[each.row]
            target_K = vote_share * p_K + (1 - vote_share) * q_K
        targets.append(target_K[list(each.prompt.order)])
    return np.stack(targets)


def tokenizer_texts(labels: tuple[str, ...], transcripts: Sequence[str | None]) -> Iterator[str]:
    """Prompts of every elicitation with the chat roles, and the transcripts."""
    for elicitation in _ELICITATIONS:
        for prompt in build_prompts(labels, BUILT_IN, 2, modality="both", elicitation=elicitation):
            yield prompt.text("", SPECIAL_TOKENS) + "\nassistant\nuser\nsystem\n"
    yield from (text for text in transcripts if text)
