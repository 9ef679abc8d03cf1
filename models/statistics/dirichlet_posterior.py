"""What a Dirichlet posterior says beside its mean: how many votes it counts for, and what one more vote would change.

A distribution p that counts for A votes is the mean of a Dirichlet with the parameters A p. Its expected squared error to the
true distribution is ``(1 - sum_k p_k^2) / (A + 1)``.
"""

from __future__ import annotations

import numpy as np

_LEAST_ERROR = 1e-12


def concentration(p_NK: np.ndarray, expected_squared_error_N: np.ndarray) -> np.ndarray:
    """How many votes each distribution counts for, from its expected squared error.

    Args:
        p_NK: means of the posteriors.
        expected_squared_error_N: to the true distributions.

    Returns:
        ``weight_N``, at least 0; infinite where no error is expected.

    Examples:
        >>> concentration(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([0.1, 0.0])).tolist()
        [4.0, inf]
    """
    spread_N = 1 - (p_NK**2).sum(1)
    is_certain_N = expected_squared_error_N <= _LEAST_ERROR
    weight_N = spread_N / np.where(is_certain_N, 1.0, expected_squared_error_N) - 1
    return np.where(is_certain_N, np.inf, np.maximum(weight_N, 0.0))


def variance(p_NK: np.ndarray, weight_N: np.ndarray) -> np.ndarray:
    """The variance of each probability, ``p (1 - p) / (A + 1)``.

    Args:
        p_NK: means of the posteriors.
        weight_N: A, at least 0.

    Returns:
        ``variance_NK``.

    Examples:
        >>> variance(np.array([[0.5, 0.5]]), np.array([4.0])).tolist()
        [[0.05, 0.05]]
    """
    return p_NK * (1 - p_NK) / (np.asarray(weight_N)[:, None] + 1)


def expected_fall(p_NK: np.ndarray, weight_N: np.ndarray) -> np.ndarray:
    """The expected fall of the squared error by one more vote, ``sum_k p_k |p(after a vote for k) - p|^2``.

    The step plan-labels computes the same with a fitted model, in which a vote also decides between components.

    Args:
        p_NK: means of the posteriors.
        weight_N: A, at least 0.

    Returns:
        ``fall_N``, from 0 to 1.

    Examples:
        >>> expected_fall(np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]), np.array([1.0, 4.0, 1.0])).tolist()
        [0.125, 0.02, 0.0]
    """
    return (1 - (p_NK**2).sum(1)) / (np.asarray(weight_N) + 1) ** 2
