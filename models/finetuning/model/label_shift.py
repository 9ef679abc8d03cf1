"""How common each emotion is: DiME-Aug changes that among the training examples, and the answer takes it back.

Who learns from examples among which an emotion is commoner than among people's votes expects it too often. Bayes' rule
corrects that: a label's probability, times its share among the recorded utterances, over its share among all that were
trained on, renormalised (Saerens, Latinne and Decaestecker, Neural Computation 14, 2002). To a head that ends in a
softmax it is an addition to the last layer's bias.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ambivox.models.finetuning.data.examples import Examples

_LAST_BIAS = "head.answer.1.bias"


def log_ratio(examples: Examples, mixed: int) -> Tensor:
    """``shift_K`` in nats: log of each label's share among recorded examples over its share among all, 0 without mixed ones.

    Args:
        examples: recorded examples, then mixed ones, with targets and weights.
        mixed: how many are mixed.
    """
    mass_NK = torch.from_numpy(examples.target_NK * examples.weight_N[:, None]).double()
    recorded_K, all_K = mass_NK[: len(examples) - mixed].sum(dim=0), mass_NK.sum(dim=0)
    # Mixtures bring no label that no recording has: where one share is nothing, so is the other.
    least = torch.finfo(torch.float64).tiny
    shares = [(mass_K / mass_K.sum()).clamp_min(least).log() for mass_K in (recorded_K, all_K)]
    return shares[0] - shares[1]


def corrected(weights: dict[str, Tensor], shift_K: Tensor) -> dict[str, Tensor]:
    """The weights of a model that answers with its probabilities times exp(``shift_K``), renormalised."""
    bias_K = weights[_LAST_BIAS]
    return weights | {_LAST_BIAS: bias_K + shift_K.to(bias_K)}
