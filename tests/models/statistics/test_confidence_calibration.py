"""Calibration of confidence by hand, and against a loop over bins."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.errors import UserError
from ambivox.models.statistics.confidence_calibration import calibration_curve, expected_calibration_error


def _random(rows: int, labels: int, seed: int, sharpness: float = 0.4) -> np.ndarray:
    p_NK = np.random.default_rng(seed).dirichlet(np.full(labels, sharpness), rows)
    p_NK[: rows // 4] = np.eye(labels)[np.arange(rows // 4) % labels]  # some with no doubt at all
    return p_NK


def test_calibration_error_by_hand() -> None:
    truth_NK = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    prediction_NK = np.array([[0.95, 0.05], [0.91, 0.09], [0.7, 0.3], [0.4, 0.6]])
    # (0.9, 1]: 2 right of 2 at 0.93; (0.6, 0.7]: 0 of 1 at 0.7; (0.5, 0.6]: 1 of 1 at 0.6
    assert expected_calibration_error(truth_NK, prediction_NK) == pytest.approx((2 * 0.07 + 0.7 + 0.4) / 4)
    curve = calibration_curve(truth_NK, prediction_NK)
    assert curve.count_B.tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 2]
    assert curve.accuracy_B[9] == 1.0 and np.isnan(curve.accuracy_B[0])


def test_calibration_error_matches_a_loop_over_bins() -> None:
    truth_NK, prediction_NK = _random(500, 5, 7), _random(500, 5, 8, sharpness=1.0)
    confidence_N, correct_N = prediction_NK.max(1), truth_NK.argmax(1) == prediction_NK.argmax(1)
    expected = 0.0
    for low in np.arange(10) / 10:
        inside_N = (confidence_N > low + 1e-12) & (confidence_N <= low + 0.1 + 1e-12)
        if inside_N.any():
            expected += inside_N.mean() * abs(confidence_N[inside_N].mean() - correct_N[inside_N].mean())
    assert expected_calibration_error(truth_NK, prediction_NK) == pytest.approx(expected)


def test_no_utterances_and_no_bins() -> None:
    none_NK = np.zeros((0, 3))
    assert np.isnan(expected_calibration_error(none_NK, none_NK))
    with pytest.raises(UserError, match="at least 1 bin, found 0"):
        calibration_curve(none_NK, none_NK, bins=0)


@pytest.mark.parametrize("labels", range(1, 21))
def test_a_prediction_that_says_nothing_is_calibrated_for_any_number_of_labels(labels: int) -> None:
    truth_NK = np.eye(labels)[np.arange(60) % labels]
    flat_NK = np.full((60, labels), 1 / labels)
    assert expected_calibration_error(truth_NK, flat_NK, 10) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("labels", range(2, 21))
def test_a_true_confidence_is_calibrated_for_any_number_of_labels(labels: int) -> None:
    # A tenth of the confidences each: 1/K to 1, right exactly as often as they say.
    rows, top = [], []
    for confidence in np.linspace(1 / labels, 1, 10):
        p_K = np.full(labels, (1 - confidence) / (labels - 1))
        p_K[0] = confidence
        truth_NK = np.eye(labels)[(np.arange(400) >= round(confidence * 400)).astype(int)]
        rows.append(np.tile(p_K, (400, 1)))
        top.append(truth_NK)
    error = expected_calibration_error(np.concatenate(top), np.concatenate(rows), 10)
    assert error == pytest.approx(0, abs=1 / 400 + (1 / labels) / 10)


@pytest.mark.parametrize("tenths", range(1, 11))
def test_rounding_moves_no_confidence_to_another_bin(tenths: int) -> None:
    for confidence in (
        tenths / 10,
        sum([0.1] * tenths),
        np.nextafter(tenths / 10, 0),
        1 - (10 - tenths) * 0.1,
    ):
        if not 0.5 < confidence <= 1:
            continue
        curve = calibration_curve(np.array([[1.0, 0.0]]), np.array([[confidence, 1 - confidence]]))
        assert curve.count_B.argmax() == tenths - 1
