"""How far a predicted distribution is from the humans': the paper's measures, vectorised over the table.

Definitions as in "Scaling Ambiguity" (arXiv 2601.14620), section 3. Arguments stand in the order
``(truth, prediction)``, both ``p_NK``: N utterances by K labels, rows summing to 1. Jensen-Shannon is the
base-2 *divergence*, bounded by 1, never its square root.

The dominant emotion of a row is its most probable label; of equally probable ones, the first in label order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.errors import UserError

_TOLERANCE = 1e-6  # of a row's sum; ambivox.models.tables allows the same


def check_distributions(p_NK: np.ndarray, name: str = "distributions") -> np.ndarray:
    """``p_NK`` as float64, checked to be N >= 0 rows of K >= 1 probabilities.

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
    bad_N = ~np.isfinite(p_NK).all(1) | (p_NK < 0).any(1) | (np.abs(p_NK.sum(1) - 1) > _TOLERANCE)
    if bad_N.any():
        row = int(np.flatnonzero(bad_N)[0])
        raise UserError(
            f"{name}: {int(bad_N.sum())} of {len(p_NK)} rows are not probabilities that sum to 1; "
            f"the first is row {row}: {p_NK[row].tolist()} (sum {p_NK[row].sum():.6g})"
        )
    return p_NK


def _pair(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    truth_NK = check_distributions(truth_NK, "truth")
    prediction_NK = check_distributions(prediction_NK, "prediction")
    if truth_NK.shape != prediction_NK.shape:
        raise UserError(
            f"truth has the shape {truth_NK.shape}, prediction {prediction_NK.shape}; they must be equal"
        )
    return truth_NK, prediction_NK


def entropy(p_NK: np.ndarray) -> np.ndarray:
    """Shannon entropy of every row, in bits: ``-sum_k p_k log2 p_k``, from 0 to log2 K.

    Raises:
        UserError: rows are no probabilities.

    Examples:
        >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
        [1.0, 0.0]
    """
    p_NK = check_distributions(p_NK)
    return np.abs(-_xlog2(p_NK).sum(1))  # abs: -0.0 is 0.0


def jensen_shannon(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of every row, base 2, from 0 (equal) to 1 (nothing in common).

    ``0.5 KL(p || m) + 0.5 KL(q || m)`` with ``m = (p + q) / 2``. This is the divergence;
    ``scipy.spatial.distance.jensenshannon`` returns its square root.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> jensen_shannon(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]])).tolist()
        [1.0, 0.0]
    """
    p_NK, q_NK = _pair(truth_NK, prediction_NK)
    m_NK = 0.5 * (p_NK + q_NK)
    return np.clip((0.5 * (_xlog2(p_NK) + _xlog2(q_NK)) - _xlog2(m_NK)).sum(1), 0.0, 1.0)


def bhattacharyya(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Bhattacharyya coefficient of every row, ``sum_k sqrt(p_k q_k)``, from 0 (disjoint) to 1 (equal).

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> bhattacharyya(np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]])).round(6).tolist()
        [1.0]
    """
    p_NK, q_NK = _pair(truth_NK, prediction_NK)
    return np.clip(np.sqrt(p_NK * q_NK).sum(1), 0.0, 1.0)


def r2_per_label(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Coefficient of determination of every label's probability, ``r2_K``, at most 1 and unbounded below.

    ``1 - sum_n (p_nk - q_nk)^2 / sum_n (p_nk - mean_k)^2``; nan for a label whose truth does not vary. The
    mean over labels is ``np.nanmean`` of it.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> r2_per_label(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.5, 0.5], [0.5, 0.5]])).tolist()
        [0.0, 0.0]
    """
    p_NK, q_NK = _pair(truth_NK, prediction_NK)
    if not len(p_NK):
        return np.full(p_NK.shape[1], np.nan)
    residual_K = ((p_NK - q_NK) ** 2).sum(0)
    total_K = ((p_NK - p_NK.mean(0)) ** 2).sum(0)
    varies_K = total_K > 1e-12
    return np.where(varies_K, 1 - residual_K / np.where(varies_K, total_K, 1.0), np.nan)


@dataclass(frozen=True)
class CalibrationCurve:
    """What confidence was claimed and what came true, in equally wide bins of confidence, lowest first."""

    edges: np.ndarray  # bins + 1 edges from 0 to 1
    count_B: np.ndarray  # utterances in the bin
    confidence_B: np.ndarray  # mean top probability in the bin; nan in an empty one
    accuracy_B: np.ndarray  # share whose dominant emotion was right; nan in an empty one

    @property
    def error(self) -> float:
        """The expected calibration error, ``sum_b count_b |accuracy_b - confidence_b| / N``."""
        if not self.count_B.sum():
            return float("nan")
        gap_B = np.nan_to_num(np.abs(self.accuracy_B - self.confidence_B))
        return float((self.count_B * gap_B).sum() / self.count_B.sum())


def calibration_curve(truth_NK: np.ndarray, prediction_NK: np.ndarray, bins: int = 10) -> CalibrationCurve:
    """Confidence (top probability) against correctness (same dominant emotion), in ``bins`` bins (lower,
    upper].

    Raises:
        UserError: rows are no probabilities, the shapes differ, or there is not even one bin.
    """
    p_NK, q_NK = _pair(truth_NK, prediction_NK)
    if bins < 1:
        raise UserError(f"a calibration curve needs one or more bins, found {bins}")
    edges = np.linspace(0.0, 1.0, bins + 1)
    confidence_N = np.clip(q_NK.max(1), 0.0, 1.0)
    correct_N = p_NK.argmax(1) == q_NK.argmax(1)
    bin_N = np.clip(np.searchsorted(edges, confidence_N, side="left") - 1, 0, bins - 1)
    count_B = np.bincount(bin_N, minlength=bins)
    filled_B = np.where(count_B, count_B, 1)
    means = [
        np.bincount(bin_N, weights=value_N, minlength=bins) / filled_B
        for value_N in (confidence_N, correct_N)
    ]
    confidence_B, accuracy_B = (np.where(count_B, mean_B, np.nan) for mean_B in means)
    return CalibrationCurve(edges, count_B, confidence_B, accuracy_B)


def expected_calibration_error(truth_NK: np.ndarray, prediction_NK: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error on dominant emotions, from 0 (calibrated) to 1; see ``calibration_curve``.

    Raises:
        UserError: rows are no probabilities, the shapes differ, or there is not even one bin.

    Examples:
        >>> round(expected_calibration_error(np.array([[1.0, 0.0]]), np.array([[0.75, 0.25]])), 6)
        0.25
    """
    return calibration_curve(truth_NK, prediction_NK, bins).error


def accuracy(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> float:
    """Share of utterances with the right dominant emotion, from 0 to 1; nan without utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.

    Examples:
        >>> accuracy(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.6, 0.4], [0.7, 0.3]]))
        0.5
    """
    p_NK, q_NK = _pair(truth_NK, prediction_NK)
    return float((p_NK.argmax(1) == q_NK.argmax(1)).mean()) if len(p_NK) else float("nan")


def confusion(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """Counts of dominant emotions ``c_KK``: rows the truth's, columns the prediction's.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.
    """
    p_NK, q_NK = _pair(truth_NK, prediction_NK)
    labels = p_NK.shape[1]
    return np.bincount(p_NK.argmax(1) * labels + q_NK.argmax(1), minlength=labels**2).reshape(labels, labels)


def f1_per_label(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> np.ndarray:
    """F1 of every dominant emotion, ``2 tp / (2 tp + fp + fn)``; nan for one that neither side ever has.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.
    """
    c_KK = confusion(truth_NK, prediction_NK)
    seen_K = c_KK.sum(0) + c_KK.sum(1)
    return np.where(seen_K, 2 * np.diag(c_KK) / np.where(seen_K, seen_K, 1), np.nan)


def f1_macro(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> float:
    """Mean F1 over the dominant emotions that occur on either side, from 0 to 1; nan without utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.
    """
    f1_K = f1_per_label(truth_NK, prediction_NK)
    return float(np.nanmean(f1_K)) if np.isfinite(f1_K).any() else float("nan")


def f1_weighted(truth_NK: np.ndarray, prediction_NK: np.ndarray) -> float:
    """Mean F1 weighted by how often each emotion dominates in the truth, from 0 to 1; nan without utterances.

    Raises:
        UserError: rows are no probabilities, or the shapes differ.
    """
    support_K = confusion(truth_NK, prediction_NK).sum(1)
    if not support_K.sum():
        return float("nan")
    return float((np.nan_to_num(f1_per_label(truth_NK, prediction_NK)) * support_K).sum() / support_K.sum())


def _xlog2(p: np.ndarray) -> np.ndarray:
    """``p log2 p``, 0 where p is 0."""
    return p * np.log2(np.where(p > 0, p, 1.0))
