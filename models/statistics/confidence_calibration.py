"""Calibration of confidence: the probability of the dominant emotion against how often it is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.statistics.dominant_emotion import correct
from ambivox.models.statistics.metrics import check_pair


@dataclass(frozen=True)
class CalibrationCurve:
    """Confidence and accuracy in B bins of equal width, lowest confidence first.

    Attributes:
        edges: B + 1 edges from 0 to 1.
        count_B: utterances in the bin.
        confidence_B: mean probability of the dominant emotion; nan in an empty bin.
        accuracy_B: share of utterances whose dominant emotion is right; nan in an empty bin.
    """

    edges: np.ndarray
    count_B: np.ndarray
    confidence_B: np.ndarray
    accuracy_B: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error, ``sum_b count_b |accuracy_b - confidence_b| / N``; nan without utterances."""
        if not self.count_B.sum():
            return float("nan")
        gap_B = np.nan_to_num(np.abs(self.accuracy_B - self.confidence_B))
        return float((self.count_B * gap_B).sum() / self.count_B.sum())


def calibration_curve(truth_NK: np.ndarray, prediction_NK: np.ndarray, bins: int = 10) -> CalibrationCurve:
    """Confidence (top probability) against correctness (same dominant emotion).

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.
        bins: number of bins, which are open below and closed above: (lower, upper]. A confidence that differs from
            an edge by rounding only, such as 0.1 + 0.2 from 0.3, is on the edge.

    Raises:
        UserError: rows are no probabilities, the shapes differ, or fewer than one bin.

    Examples:
        >>> curve = calibration_curve(np.array([[1.0, 0.0]]), np.array([[0.75, 0.25]]), bins=2)
        >>> curve.count_B.tolist(), curve.confidence_B.tolist(), curve.accuracy_B.tolist()
        ([0, 1], [nan, 0.75], [nan, 1.0])
    """
    p_NK, q_NK = check_pair(truth_NK, prediction_NK)
    if bins < 1:
        raise UserError(f"a calibration curve needs at least 1 bin, found {bins}")
    edges = np.linspace(0.0, 1.0, bins + 1)
    confidence_N = np.clip(q_NK.max(1), 0.0, 1.0)
    bin_N = np.clip(np.ceil(confidence_N * bins - 1e-9).astype(int) - 1, 0, bins - 1)
    count_B = np.bincount(bin_N, minlength=bins)
    divisor_B = np.where(count_B, count_B, 1)
    confidence_B, accuracy_B = (
        np.where(count_B, np.bincount(bin_N, weights=value_N, minlength=bins) / divisor_B, np.nan)
        for value_N in (confidence_N, correct(p_NK, q_NK))
    )
    return CalibrationCurve(edges, count_B, confidence_B, accuracy_B)


def expected_calibration_error(truth_NK: np.ndarray, prediction_NK: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error on dominant emotions, from 0 (calibrated) to 1; nan without utterances.

    Args:
        truth_NK: human distributions.
        prediction_NK: predicted distributions of the same utterances.
        bins: number of bins of ``calibration_curve``.

    Raises:
        UserError: rows are no probabilities, the shapes differ, or fewer than one bin.

    Examples:
        >>> round(expected_calibration_error(np.array([[1.0, 0.0]]), np.array([[0.75, 0.25]])), 6)
        0.25
    """
    return calibration_curve(truth_NK, prediction_NK, bins).error
