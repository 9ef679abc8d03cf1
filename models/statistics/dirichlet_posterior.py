"""What a Dirichlet posterior says beside its mean: how sure each probability is, and what one more vote would change.

A pooled distribution p that counts for A votes is the mean of a Dirichlet with the parameters A p.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import beta

from ambivox.models.statistics.metrics import jensen_shannon

_LEAST_PARAMETER = 1e-9


def credible_interval(
    p_NK: np.ndarray, weight_N: np.ndarray, coverage: float
) -> tuple[np.ndarray, np.ndarray]:
    """The equal-tailed credible interval of every probability; it always holds the mean itself.

    Args:
        p_NK: means of the posteriors.
        weight_N: their concentrations, in votes, above 0.
        coverage: of the intervals, between 0 and 1.

    Returns:
        ``(low_NK, high_NK)``.

    Examples:
        >>> low_NK, high_NK = credible_interval(np.array([[0.5, 0.5]]), np.array([4.0]), 0.9)
        >>> low_NK.round(3).tolist(), high_NK.round(3).tolist()
        ([[0.135, 0.135]], [[0.865, 0.865]])
    """
    weight_N1 = np.asarray(weight_N)[:, None]
    # Beta distributions are the margins of the Dirichlet. Where one is very skewed, its mean can lie outside.
    parameters_NK = (
        np.maximum(weight_N1 * p_NK, _LEAST_PARAMETER),
        np.maximum(weight_N1 * (1 - p_NK), _LEAST_PARAMETER),
    )
    low_NK = np.minimum(beta.ppf((1 - coverage) / 2, *parameters_NK), p_NK)
    high_NK = np.maximum(beta.ppf((1 + coverage) / 2, *parameters_NK), p_NK)
    return low_NK, high_NK


def expected_change(p_NK: np.ndarray, weight_N: np.ndarray) -> np.ndarray:
    """How far one more vote is expected to move each mean: ``sum_k p_k JS(p, (A p + e_k) / (A + 1))``.

    The step plan-labels computes the same with a fitted model, in which a vote also changes what an ALM counts for.

    Args:
        p_NK: means of the posteriors.
        weight_N: their concentrations A, in votes, above 0.

    Returns:
        ``change_N``, as JS divergence (base 2), from 0 to 1.

    Examples:
        >>> expected_change(np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]), np.array([2.0, 8.0, 2.0])).round(4).tolist()
        [0.0207, 0.0022, 0.0]
    """
    weight_N1 = np.asarray(weight_N)[:, None]
    change_N = np.zeros(len(p_NK))
    for label in range(p_NK.shape[1]):  # a loop over labels, never over utterances
        vote_K = np.eye(p_NK.shape[1])[label]
        after_NK = (weight_N1 * p_NK + vote_K) / (weight_N1 + 1)
        change_N += p_NK[:, label] * jensen_shannon(p_NK, after_NK)
    return change_N
