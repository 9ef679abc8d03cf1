"""Classification measures on the dominant emotion: accuracy, confusion counts, F1.

The dominant emotion of a row is its most probable label. Equally probable labels share it: each of two counts half,
as if ties were broken at random and all outcomes averaged.
Arguments come in the order ``(truth, prediction)``, both ``p_NK``, rows summing to 1.
"""

from __future__ import annotations

import numpy as np

from ambivox.models.statistics.metrics import check_pair

TIE = 1e-9  # difference of probabilities below which labels are equally probable


def dominance(p_NK: np.ndarray) -> np.ndarray:
    """How much of each row's dominant emotion every label has, ``d_NK``; rows sum to 1.

    Args:
        p_NK: distributions.

    Examples:
        >>> dominance(np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2]])).tolist()
        [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    """
    is_top_NK = p_NK >= p_NK.max(1, keepdims=True, initial=-np.inf) - TIE
    return is_top_NK / np.maximum(is_top_NK.sum(1, keepdims=True), 1)


def correct(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Whether each prediction has the right dominant emotion, ``correct_N``: 1.0 or 0.0, between them with ties.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> correct(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.6, 0.4], [0.7, 0.3]])).tolist()
        [1.0, 0.0]
    """
    p_NK, q_NK = check_pair(truth_NK, prediction_NK)
    correct_N: np.ndarray = (dominance(p_NK) * dominance(q_NK)).sum(1)
    return correct_N


def accuracy(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> float:
    """Share of utterances with the right dominant emotion, from 0 to 1; nan without utterances.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> accuracy(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.6, 0.4], [0.7, 0.3]]))
        0.5
    """
    correct_N = correct(truth_NK, prediction_NK)
    return float(correct_N.mean()) if len(correct_N) else float("nan")


def confusion(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Counts of dominant emotions, ``c_KK``: rows are the truth's, columns the prediction's; ties give fractions.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> confusion(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.6, 0.4], [0.7, 0.3]])).tolist()
        [[1.0, 0.0], [1.0, 0.0]]
    """
    p_NK, q_NK = check_pair(truth_NK, prediction_NK)
    c_KK: np.ndarray = dominance(p_NK).T @ dominance(q_NK)
    return c_KK


def f1_per_label(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """F1 of every dominant emotion, ``2 tp / (2 tp + fp + fn)``, from 0 to 1.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Returns:
        ``f1_K``; nan for a label that is dominant in neither table.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> truth_NK = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
        >>> f1_per_label(truth_NK, np.array([[0.6, 0.4, 0.0], [0.3, 0.7, 0.0]])).tolist()
        [1.0, 1.0, nan]
    """
    c_KK = confusion(truth_NK, prediction_NK)
    occurs_K = c_KK.sum(0) + c_KK.sum(1)
    return np.where(occurs_K, 2 * np.diag(c_KK) / np.where(occurs_K, occurs_K, 1), np.nan)


def f1_macro(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> float:
    """Mean F1 over the labels that are dominant in either table, from 0 to 1; nan without utterances.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> round(f1_macro(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.6, 0.4], [0.7, 0.3]])), 6)
        0.333333
    """
    f1_K = f1_per_label(truth_NK, prediction_NK)
    return float(np.nanmean(f1_K)) if np.isfinite(f1_K).any() else float("nan")


def f1_weighted(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> float:
    """Mean F1 weighted by how often each label is dominant in the truth, from 0 to 1; nan without utterances.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> truth_NK = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
        >>> round(f1_weighted(truth_NK, np.array([[0.6, 0.4], [0.6, 0.4], [0.7, 0.3]])), 6)
        0.533333
    """
    support_K = confusion(truth_NK, prediction_NK).sum(1)
    if not support_K.sum():
        return float("nan")
    return float((np.nan_to_num(f1_per_label(truth_NK, prediction_NK)) * support_K).sum() / support_K.sum())
