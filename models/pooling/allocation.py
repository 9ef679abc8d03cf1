"""Allocation of further human votes to the utterances whose pooled distribution one more vote changes most.

The expected reduction of an utterance's uncertainty by one vote is ``sum_k p_k JS(p, p after a vote for k)``, p
being the pooled distribution: the more votes or equivalent votes there are, and the more certain p is, the less a
vote changes. The j-th further vote is assumed to change less by ((A + 1) / (A + 1 + j))^2 with A = N + kappa (the
prior votes included), as
the variance of a Dirichlet's mean does.
"""

from __future__ import annotations

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.statistics.metrics import jensen_shannon

MOST_PER_UTTERANCE = 20


def expected_reduction(model: PoolingModel, inputs: PoolingInputs) -> np.ndarray:
    """The expected reduction of every utterance's uncertainty by one more vote.

    Args:
        model: the fitted model.
        inputs: votes and ALMs' distributions so far.

    Returns:
        ``reduction_N``, as JS divergence (base 2), from 0 to 1.
    """
    labels = len(model.labels)
    now = pool(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA)
    reduction_N = np.zeros(len(inputs.n_NK))
    for label in range(labels):  # a loop over labels, never over utterances
        vote_K = np.eye(labels)[label]
        after = pool(model, inputs.n_NK + vote_K, inputs.q_NAK, inputs.label_mass_NA)
        reduction_N += now.posterior_mean_NK[:, label] * jensen_shannon(now.p_NK, after.p_NK)
    return reduction_N


def plan(model: PoolingModel, inputs: PoolingInputs, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Spend a budget of votes where they are expected to reduce the uncertainty most.

    Args:
        model: the fitted model.
        inputs: votes and ALMs' distributions so far.
        budget: number of votes to spend, at least 1; an utterance gets at most MOST_PER_UTTERANCE.

    Returns:
        ``(votes_N, reduction_N)``: the further votes of every utterance, and the expected reduction by its
        first one.

    Raises:
        UserError: a budget below 1.
    """
    if budget < 1:
        raise UserError(f"the budget must be at least 1 vote, found {budget}")
    reduction_N = expected_reduction(model, inputs)
    known_N1 = pool(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA).weight_N[:, None] + 1
    reduction_NJ = reduction_N[:, None] * (known_N1 / (known_N1 + np.arange(MOST_PER_UTTERANCE))) ** 2
    order = np.argsort(-reduction_NJ, axis=None, kind="stable")[:budget]
    return np.bincount(order // MOST_PER_UTTERANCE, minlength=len(reduction_N)), reduction_N
