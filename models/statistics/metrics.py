"""Distances of predicted distributions from human ones: the paper's measures, computed over the whole table.

Definitions as in "Scaling Ambiguity" (arXiv 2601.14620), section 3. Arguments come in the order
``(truth, prediction)``, both ``p_NK``: N utterances by K labels, rows summing to 1. Jensen-Shannon is the
base-2 *divergence*, bounded by 1, never its square root.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ambivox.models.errors import UserError

_TOLERANCE = 1e-6  # of a row's sum; ambivox.models.tables allows the same
_LEAST = np.finfo(np.float64).tiny  # whose logarithm is finite
_BLOCK_ROWS = 2_048  # whose intermediate arrays stay in the processor's cache


def check_distributions(p_NK: np.ndarray, name: str = "distributions") -> np.ndarray:
    """``p_NK`` as float64, checked to be N >= 0 rows of K >= 1 probabilities.

    Args:
        p_NK: the array to check.
        name: what the error message calls it.

    Raises:
        UserError: not two-dimensional, a number that is missing, infinite or negative, or a row whose sum
            is not 1.

    Examples:
        >>> check_distributions(np.array([[0.25, 0.75]]))
        array([[0.25, 0.75]])
    """
    p_NK = np.asarray(p_NK, dtype=np.float64)
    if p_NK.ndim != 2 or p_NK.shape[1] < 1:
        raise UserError(f"{name} must be a table of utterances by labels, found the shape {p_NK.shape}")
    one_K = np.ones(p_NK.shape[1])
    for p_BK in (p_NK[block] for block in _blocks(len(p_NK))):
        # A sum with a number that is not finite is not near 1 either.
        if p_BK.min() >= 0 and np.abs(p_BK @ one_K - 1).max() <= _TOLERANCE:
            continue
        bad_N = ~np.isfinite(p_NK).all(1) | (p_NK < 0).any(1) | ~(np.abs(p_NK.sum(1) - 1) <= _TOLERANCE)
        row = int(np.flatnonzero(bad_N)[0])
        raise UserError(
            f"{name}: {int(bad_N.sum())} of {len(p_NK)} rows are not probabilities that sum to 1; "
            f"the first is row {row}: {p_NK[row].tolist()} (sum {p_NK[row].sum():.6g})"
        )
    return p_NK


def check_pair(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction as float64, checked to be distributions of the same shape.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> check_pair(np.array([[1, 0]]), np.array([[0.5, 0.5]]))
        (array([[1., 0.]]), array([[0.5, 0.5]]))
    """
    truth_NK = check_distributions(truth_NK, "truth")
    prediction_NK = check_distributions(prediction_NK, "prediction")
    if truth_NK.shape != prediction_NK.shape:
        raise UserError(
            f"truth has the shape {truth_NK.shape}, prediction {prediction_NK.shape}; they must be equal"
        )
    return truth_NK, prediction_NK


def entropy(p_NK: np.ndarray) -> np.ndarray:
    """Shannon entropy of every row, in bits: ``-sum_k p_k log2 p_k``, from 0 to log2 K.

    Args:
        p_NK: distributions.

    Returns:
        ``entropy_N``.

    Raises:
        UserError: rows are no probabilities.

    Examples:
        >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
        [1.0, 0.0]
    """
    p_NK = check_distributions(p_NK)
    return np.abs(-_xlog2(p_NK).sum(1))  # abs: -0.0 is 0.0


def jensen_shannon(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of every row, base 2, from 0 (equal) to 1 (disjoint).

    ``0.5 KL(p || m) + 0.5 KL(q || m)`` with ``m = (p + q) / 2``. This is the divergence;
    ``scipy.spatial.distance.jensenshannon`` returns its square root.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Returns:
        ``js_N``.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> jensen_shannon(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]])).tolist()
        [1.0, 0.0]
    """
    p_NK, q_NK = check_pair(truth_NK, prediction_NK)
    js_N, one_K = np.empty(len(p_NK)), np.ones(p_NK.shape[1])
    # With r = p / (p + q), the sum over labels is 0.5 (p log2(2 r) + q log2(2 (1 - r))).
    for block in _blocks(len(p_NK)):
        p_BK, q_BK = p_NK[block], q_NK[block]
        r_BK = p_BK / np.maximum(p_BK + q_BK, _LEAST)
        terms_BK = np.log2(np.maximum(1 - r_BK, _LEAST))
        terms_BK *= q_BK
        np.log2(np.maximum(r_BK, _LEAST, out=r_BK), out=r_BK)
        r_BK *= p_BK
        terms_BK += r_BK
        np.matmul(terms_BK, one_K, out=js_N[block])
    return np.clip(0.5 * js_N + 1, 0.0, 1.0)


def bhattacharyya(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Bhattacharyya coefficient of every row, ``sum_k sqrt(p_k q_k)``, from 0 (disjoint) to 1 (equal).

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Returns:
        ``bc_N``.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> bhattacharyya(np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]])).round(6).tolist()
        [1.0]
    """
    p_NK, q_NK = check_pair(truth_NK, prediction_NK)
    return np.clip(np.sqrt(p_NK * q_NK).sum(1), 0.0, 1.0)


def r2_per_label(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Coefficient of determination of every label's probability, at most 1 and unbounded below.

    ``1 - sum_n (p_nk - q_nk)^2 / sum_n (p_nk - mean_k)^2``.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Returns:
        ``r2_K``; nan for a label whose truth does not vary.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> r2_per_label(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.5, 0.5], [0.5, 0.5]])).tolist()
        [0.0, 0.0]
    """
    p_NK, q_NK = check_pair(truth_NK, prediction_NK)
    if not len(p_NK):
        return np.full(p_NK.shape[1], np.nan)
    residual_K = ((p_NK - q_NK) ** 2).sum(0)
    total_K = ((p_NK - p_NK.mean(0)) ** 2).sum(0)
    varies_K = total_K > 1e-12
    return np.where(varies_K, 1 - residual_K / np.where(varies_K, total_K, 1.0), np.nan)


def r2_mean(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> float:
    """Mean of ``r2_per_label`` over the labels whose truth varies, at most 1; nan where no label's does.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> r2_mean(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
        1.0
    """
    r2_K = r2_per_label(truth_NK, prediction_NK)
    return float(np.nanmean(r2_K)) if np.isfinite(r2_K).any() else float("nan")


def _blocks(rows: int) -> Iterator[slice]:
    """Slices of _BLOCK_ROWS rows."""
    return (slice(start, start + _BLOCK_ROWS) for start in range(0, rows, _BLOCK_ROWS))


def _xlog2(p: np.ndarray) -> np.ndarray:
    """``p log2 p``, 0 where p is 0."""
    logarithm = np.log2(np.maximum(p, _LEAST))
    logarithm *= p
    return logarithm
