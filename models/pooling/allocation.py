"""Allocation of further human votes to the utterances whose pooled distribution they are expected to improve most.

The expected fall of an utterance's squared error by one vote is ``sum_k p_k |p(after a vote for k) - p|^2``, p being the
posterior mean: the more certain the posterior, the less a vote changes. The j-th further vote is assumed to change less by
((A + 1) / (A + 1 + j))^2 with A what the posterior counts for in votes, as the variance of a Dirichlet's mean does.
"""

from __future__ import annotations

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.pooling.group_errors import fall_factor
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool

MOST_PER_UTTERANCE = 20


def expected_fall(model: PoolingModel, inputs: PoolingInputs) -> np.ndarray:
    """The expected fall of every utterance's squared error by one more vote.

    Args:
        model: the fitted model.
        inputs: votes and ALMs' distributions so far.

    Returns:
        ``fall_N``, from 0 to 1.
    """
    labels = len(model.labels)
    now = pool(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA)
    fall_N = np.zeros(len(inputs.n_NK))
    for label in range(labels):  # a loop over labels, never over utterances
        vote_K = np.eye(labels)[label]
        after = pool(model, inputs.n_NK + vote_K, inputs.q_NAK, inputs.label_mass_NA)
        change_N = ((after.posterior_mean_NK - now.posterior_mean_NK) ** 2).sum(1)
        fall_N += now.posterior_mean_NK[:, label] * change_N
    return fall_N


def plan(
    model: PoolingModel, inputs: PoolingInputs, budget: int, error_ratio_N: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Spend a budget of votes where they are expected to lower the squared error most.

    Args:
        model: the fitted model.
        inputs: votes and ALMs' distributions so far.
        budget: number of votes to spend, at least 1; an utterance gets at most MOST_PER_UTTERANCE.
        error_ratio_N: by how much the squared error of every utterance is larger than its posterior expects
            (``group_errors``); None where the posterior is taken at its word.

    Returns:
        ``(votes_N, fall_N)``: the further votes of every utterance, and the expected fall by its first
        one.

    Raises:
        UserError: a budget below 1.
    """
    if budget < 1:
        raise UserError(f"the budget must be at least 1 vote, found {budget}")
    fall_N = expected_fall(model, inputs)
    weight_N = pool(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA).weight_N
    if error_ratio_N is not None:
        fall_N = fall_N * fall_factor(error_ratio_N, weight_N)
    known_N1 = weight_N[:, None] + 1
    fall_NJ = fall_N[:, None] * (known_N1 / (known_N1 + np.arange(MOST_PER_UTTERANCE))) ** 2
    order = np.argsort(-fall_NJ, axis=None, kind="stable")[:budget]
    return np.bincount(order // MOST_PER_UTTERANCE, minlength=len(fall_N)), fall_N
