"""Cross-fitted calibration: unseen speakers, and a confusion matrix that never makes it worse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from ambivox.models.pooling.calibration import fit_calibration
from ambivox.models.pooling.informative import cross_fit


def _corpus(rows: int, labels: int, seed: int, votes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Votes, true distributions, speakers of 20 utterances each."""
    rng = np.random.default_rng(seed)
    truth_NK = rng.dirichlet(np.full(labels, 3 / labels), rows) * 0.98 + 0.02 / labels
    return rng.multinomial(votes, truth_NK).astype(float), truth_NK, np.arange(rows) // 20


def _nll(truth_NK: np.ndarray, p_NK: np.ndarray) -> float:
    return -float((truth_NK * np.log(np.maximum(p_NK, 1e-9))).sum(1).mean())


def _answers(truth_NK: np.ndarray, seed: int) -> np.ndarray:
    noise_NK = np.random.default_rng(seed).normal(0, 0.7, truth_NK.shape)
    return np.asarray(softmax(0.8 * np.log(truth_NK) + noise_NK, axis=1))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("labels", "rows"), [(20, 300), (12, 200), (6, 120)])
def test_with_few_utterances_a_matrix_makes_nothing_worse(labels: int, rows: int, seed: int) -> None:
    n_NK, truth_NK, speaker_N = _corpus(rows, labels, seed)
    q_NK = _answers(truth_NK, seed)
    _, unseen_NK, _ = _corpus(2000, labels, 100 + seed)
    unseen_answers_NK = _answers(unseen_NK, 100 + seed)
    without, with_matrix = (
        _nll(unseen_NK, cross_fit(n_NK, q_NK, speaker_N, matrix=matrix).calibration.apply(unseen_answers_NK))
        for matrix in (False, True)
    )
    assert with_matrix <= without + 0.002


def test_confusions_are_learned_where_there_are_enough_votes() -> None:
    n_NK, truth_NK, speaker_N = _corpus(2000, 5, 3)
    swapped_NK = truth_NK[:, [1, 0, 2, 3, 4]]  # it says the second where people hear the first
    fitted = cross_fit(n_NK, swapped_NK, speaker_N, matrix=True)
    assert fitted.is_informative and np.abs(fitted.calibration.matrix_KK).max() > 0.2
    plain = cross_fit(n_NK, swapped_NK, speaker_N, matrix=False)
    assert _nll(truth_NK, fitted.calibrated_NK) < _nll(truth_NK, plain.calibrated_NK) - 0.1


def test_the_calibrated_distributions_do_not_depend_on_the_speakers_own_votes() -> None:
    n_NK, truth_NK, speaker_N = _corpus(200, 4, 4)
    q_NK = _answers(truth_NK, 4)
    before_NK = cross_fit(n_NK, q_NK, speaker_N, matrix=False, folds=10).calibrated_NK
    other_NK = n_NK.copy()
    other_NK[speaker_N == 3] = other_NK[speaker_N == 3][:, ::-1]
    after_NK = cross_fit(other_NK, q_NK, speaker_N, matrix=False, folds=10).calibrated_NK
    assert after_NK[speaker_N == 3] == pytest.approx(before_NK[speaker_N == 3])
    assert np.abs(after_NK - before_NK)[speaker_N != 3].max() > 1e-3


def test_silence_one_speaker_and_one_label() -> None:
    n_NK, truth_NK, speaker_N = _corpus(100, 4, 5)
    q_NK = _answers(truth_NK, 5)
    q_NK[::7] = np.nan
    fitted = cross_fit(n_NK, q_NK, speaker_N, matrix=True)
    assert np.isnan(fitted.calibrated_NK[::7]).all() and np.isfinite(fitted.calibrated_NK[1::7]).all()
    alone = cross_fit(n_NK, q_NK, np.zeros(100, dtype=int), matrix=True)
    assert not alone.is_informative and not alone.calibration.matrix_KK.any()
    assert not cross_fit(np.ones((4, 1)), np.ones((4, 1)), np.arange(4), matrix=True).is_informative


@pytest.mark.parametrize("seed", range(3))
def test_silence_about_one_emotion_is_not_informative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind_N = rng.choice(3, p=[0.5, 0.3, 0.2], size=400)
    n_NK = np.stack([rng.multinomial(3, 0.1 + 0.7 * np.eye(3)[kind]) for kind in kind_N]).astype(float)
    q_NK = np.tile([0.5, 0.3, 0.2], (400, 1))  # all its answers are alike
    q_NK[(kind_N == 0) & (rng.random(400) < 0.8)] = np.nan
    assert not cross_fit(n_NK, q_NK, np.arange(400) % 20, matrix=False).is_informative


def test_noise_is_not_informative() -> None:
    n_NK, _, speaker_N = _corpus(600, 4, 6)
    noise_NK = np.random.default_rng(6).dirichlet(np.ones(4), 600)
    fitted = cross_fit(n_NK, noise_NK, speaker_N, matrix=True)
    assert not fitted.is_informative
    assert fit_calibration(n_NK, noise_NK, matrix=False).temperature > 3
