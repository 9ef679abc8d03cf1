"""Several ALMs' answers as one: their calibrated distributions are multiplied, each raised to a weight.

``log c = sum_a s_a log q~_a`` up to a constant, s_a > 0, fitted jointly by the likelihood of the votes. ALMs that say the
same share their weight, and what only one of them hears counts in full. Where some did not answer, the weights of the
others are scaled to sum to 1, which is right for one calibrated ALM alone.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ambivox.models.pooling.mixture import FLOOR

_LEAST_WEIGHT = 1e-3  # so that an ALM still answers where no other does


def stack(q_NAK: np.ndarray, weights_A: np.ndarray) -> np.ndarray:
    """The answer of all ALMs together.

    Args:
        q_NAK: calibrated distributions; nan where an ALM did not answer.
        weights_A: s; 0 for an ALM that is not used.

    Returns:
        ``c_NK``; nan where none of the used ALMs answered.

    Examples:
        >>> q_NAK = np.array([[[0.8, 0.2], [0.2, 0.8]], [[0.8, 0.2], [np.nan, np.nan]]])
        >>> stack(q_NAK, np.array([0.6, 0.6])).round(3).tolist()
        [[0.5, 0.5], [0.8, 0.2]]
    """
    used_NA = np.isfinite(q_NAK).all(2) & (weights_A > 0)
    weight_NA = weights_A * used_NA
    is_partial_N1 = (used_NA != (weights_A > 0)).any(1)[:, None]
    sum_N1 = weight_NA.sum(1, keepdims=True)
    weight_NA = np.where(is_partial_N1, weight_NA / np.where(sum_N1 > 0, sum_N1, 1.0), weight_NA)
    log_NAK = np.log(np.maximum(np.nan_to_num(q_NAK, nan=1.0), FLOOR))
    c_NK: np.ndarray = softmax((weight_NA[:, :, None] * log_NAK).sum(1), axis=1)
    return np.where(used_NA.any(1)[:, None], c_NK, np.nan)


def fit_stack(n_NK: np.ndarray, q_NAK: np.ndarray, is_used_A: np.ndarray) -> np.ndarray:
    """The weights of the ALMs.

    Args:
        n_NK: human votes.
        q_NAK: distributions calibrated on other speakers; nan where an ALM did not answer.
        is_used_A: which ALMs take part.

    Returns:
        ``weights_A``: 1 for one used ALM, equal weights where no utterance with votes was answered by all used ones;
        0 for the others.
    """
    used = np.flatnonzero(is_used_A)
    weights_A = np.zeros(len(is_used_A))
    if not len(used):
        return weights_A
    weights_A[used] = 1 / len(used)
    complete_N = np.isfinite(q_NAK[:, used]).all((1, 2)) & (n_NK.sum(1) > 0)
    if len(used) == 1 or not complete_N.any():
        return weights_A
    n_NK, log_NAK = n_NK[complete_N], np.log(np.maximum(q_NAK[complete_N][:, used], FLOOR))
    votes_N1 = n_NK.sum(1, keepdims=True)

    def loss(weights_U: np.ndarray) -> tuple[float, np.ndarray]:
        log_p_NK = log_softmax(np.einsum("u,nuk->nk", weights_U, log_NAK), axis=1)
        error_NK = votes_N1 * np.exp(log_p_NK) - n_NK
        gradient_U = np.einsum("nk,nuk->u", error_NK, log_NAK)
        return -float((n_NK * log_p_NK).sum()) / n_NK.sum(), gradient_U / n_NK.sum()

    bounds = [(_LEAST_WEIGHT, None)] * len(used)
    weights_A[used] = minimize(loss, weights_A[used], jac=True, method="L-BFGS-B", bounds=bounds).x
    return weights_A
