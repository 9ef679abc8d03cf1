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


def test_equally_probable_labels_share_the_dominant_emotion() -> None:
    truth_NK = np.array(
        [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.1 + 0.2, 0.3, 0.4], [1 / 3, 1 / 3 + 1e-12, 1 / 3]]
    )
    prediction_NK = np.array([[1.0, 0.0, 0.0], [0.4, 0.4, 0.2], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0]])
    expected_N = [0.5, 0.5, 1.0, 1 / 3]
    assert dominant_emotion.correct(truth_NK, prediction_NK) == pytest.approx(expected_N)
    counts_KK = dominant_emotion.confusion(truth_NK, prediction_NK)
    assert counts_KK.sum() == pytest.approx(4) and np.diag(counts_KK).sum() == pytest.approx(sum(expected_N))


@pytest.mark.parametrize("labels", [2, 3, 6])
def test_ties_count_as_random_tie_breaks_do_on_average(labels: int) -> None:
    rng = np.random.default_rng(labels)
    truth_NK, prediction_NK = (rng.multinomial(3, np.full(labels, 1 / labels), 40) / 3 for _ in range(2))
    broken = [
        np.mean(
            (truth_NK + 1e-6 * rng.random(truth_NK.shape)).argmax(1)
            == (prediction_NK + 1e-6 * rng.random(truth_NK.shape)).argmax(1)
        )
        for _ in range(3000)
    ]
    assert dominant_emotion.accuracy(truth_NK, prediction_NK) == pytest.approx(np.mean(broken), abs=0.005)


def test_the_order_of_the_labels_does_not_matter() -> None:
    rng = np.random.default_rng(8)
    truth_NK, prediction_NK = (rng.multinomial(4, np.full(5, 0.2), 60) / 4 for _ in range(2))
    for measure in (dominant_emotion.accuracy, dominant_emotion.f1_macro, dominant_emotion.f1_weighted):
        reversed_order = measure(truth_NK[:, ::-1], prediction_NK[:, ::-1])
        assert measure(truth_NK, prediction_NK) == pytest.approx(reversed_order)
