"""Classification measures against audmetric and scikit-learn."""

from __future__ import annotations

import audmetric
import numpy as np
import pytest
from sklearn.metrics import f1_score

from ambivox.models.statistics import dominant_emotion


def _random(rows: int, labels: int, seed: int, sharpness: float = 0.4) -> np.ndarray:
    p_NK = np.random.default_rng(seed).dirichlet(np.full(labels, sharpness), rows)
    p_NK[: rows // 4] = np.eye(labels)[np.arange(rows // 4) % labels]  # some with no doubt at all
    return p_NK


@pytest.mark.parametrize("labels", [2, 6, 20])
def test_classification_matches_audmetric_and_scikit_learn(labels: int) -> None:
    truth_NK, prediction_NK = _random(300, labels, 5), _random(300, labels, 6)
    truth_N, prediction_N = truth_NK.argmax(1), prediction_NK.argmax(1)
    assert dominant_emotion.accuracy(truth_NK, prediction_NK) == pytest.approx(
        audmetric.accuracy(truth_N, prediction_N)
    )
    assert dominant_emotion.f1_macro(truth_NK, prediction_NK) == pytest.approx(
        audmetric.unweighted_average_fscore(truth_N, prediction_N, zero_division=0.0)
    )
    expected = f1_score(truth_N, prediction_N, average="weighted", zero_division=0.0)
    assert dominant_emotion.f1_weighted(truth_NK, prediction_NK) == pytest.approx(expected)
    expected_KK = audmetric.confusion_matrix(truth_N, prediction_N, labels=list(range(labels)))
    assert dominant_emotion.confusion(truth_NK, prediction_NK).tolist() == expected_KK


def test_no_utterances_give_nan_and_no_error() -> None:
    none_NK = np.zeros((0, 3))
    for measure in (dominant_emotion.accuracy, dominant_emotion.f1_macro, dominant_emotion.f1_weighted):
        assert np.isnan(measure(none_NK, none_NK))
    assert dominant_emotion.correct(none_NK, none_NK).shape == (0,)


def test_of_equally_probable_labels_the_first_is_dominant() -> None:
    assert dominant_emotion.correct(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])).tolist() == [1.0]
