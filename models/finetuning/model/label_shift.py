"""Correction of label shift: DiME-Aug changes the label frequencies of the training examples, this undoes it.

A model trained on examples in which a label is more frequent than in the recorded votes predicts that label too often.
Bayes' rule corrects this: each label's probability times its share among the recorded utterances, divided by its share
among all training examples, renormalised (Saerens, Latinne and Decaestecker, Neural Computation 14, 2002). For a head
that ends in a softmax, this is an addition to the last layer's bias.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ambivox.models.finetuning.data.examples import Examples

_LAST_BIAS = "head.answer.1.bias"


def log_label_shift(examples: Examples, mixed: int) -> Tensor:
    """Compute the log ratio of each label's share among recorded examples to its share among all.

    Args:
        examples: Recorded examples, then mixed ones.
        mixed: The number of mixed examples.

    Returns:
        ``shift_K`` in nats, 0 without mixed examples.
    """
    mass_NK = torch.from_numpy(examples.target_NK * examples.weight_N[:, None]).double()
    recorded_K, all_K = mass_NK[: len(examples) - mixed].sum(dim=0), mass_NK.sum(dim=0)
    # A label that no recording has is in no mixture either: both shares are 0, and their ratio becomes 1.
    smallest = torch.finfo(torch.float64).tiny
    log_recorded_K, log_all_K = (
        (mass_K / mass_K.sum()).clamp_min(smallest).log() for mass_K in (recorded_K, all_K)
    )
    return log_recorded_K - log_all_K


def correct_label_shift(weights: dict[str, Tensor], shift_K: Tensor) -> dict[str, Tensor]:
    """Correct a model's weights.

    Args:
        weights: ``DistributionModel.weights()``.
        shift_K: ``log_label_shift``.

    Returns:
        The weights of a model that predicts the original probabilities times exp(``shift_K``), renormalised.
    """
    bias_K = weights[_LAST_BIAS]
    return weights | {_LAST_BIAS: bias_K + shift_K.to(bias_K)}
