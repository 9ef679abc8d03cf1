"""Examples: token ids, audio, target distribution and weight of each utterance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.finetuning.data.batches import Batch, Side, collate


@dataclass(frozen=True)
class Examples:
    """N utterances, ready for the model.

    Attributes:
        utterance_ids: The utterances' ids.
        tokens: Token ids of the prompts.
        keys: Keys of the utterances' audio states.
        target_NK: Target distributions.
        weight_N: Weights in the loss.
        variants: The same utterances with perturbed audio.
    """

    utterance_ids: list[str]
    tokens: list[list[int]]
    keys: list[str]
    target_NK: NDArray[np.float64]
    weight_N: NDArray[np.float64]
    variants: tuple[Examples, ...] = ()

    def __len__(self) -> int:
        """N."""
        return len(self.utterance_ids)

    @property
    def length_N(self) -> NDArray[np.int64]:  # noqa: N802 - an array's name carries its axis
        """Tokens per example."""
        return np.array([len(tokens) for tokens in self.tokens], dtype=np.int64)

    def draw_variants(self, random: np.random.Generator, probability: float) -> Examples:
        """Draw one epoch's examples.

        Args:
            random: Determines the draws.
            probability: The probability per example to be replaced by one of its perturbed variants.
        """
        if not self.variants or not probability:
            return self
        variant_N = np.where(
            random.random(len(self)) < probability, random.integers(len(self.variants), size=len(self)), -1
        )
        drawn = [self.variants[variant] if variant >= 0 else self for variant in variant_N]
        return replace(
            self,
            tokens=[examples.tokens[row] for row, examples in enumerate(drawn)],
            keys=[examples.keys[row] for row, examples in enumerate(drawn)],
            variants=(),
        )

    def batch(
        self, rows: Sequence[int] | NDArray[np.int64], states: AudioStates, pad_id: int, side: Side = "right"
    ) -> Batch:
        """Build a batch of these rows, padded to the longest of them."""
        return collate(
            [self.tokens[row] for row in rows],
            [states[self.keys[row]] for row in rows],
            torch.from_numpy(self.target_NK[rows]).float(),
            torch.from_numpy(self.weight_N[rows]).float(),
            pad_id,
            side,
        )


def concatenate(first: Examples, second: Examples) -> Examples:
    """Concatenate two sets of examples that have the same number of variants."""
    return Examples(
        first.utterance_ids + second.utterance_ids,
        first.tokens + second.tokens,
        first.keys + second.keys,
        np.concatenate([first.target_NK, second.target_NK]),
        np.concatenate([first.weight_N, second.weight_N]),
        tuple(concatenate(*pair) for pair in zip(first.variants, second.variants, strict=True)),
    )
