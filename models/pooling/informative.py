"""Calibration cross-fitted over speakers: how strongly the confusion matrix is shrunk, and whether an ALM informs at all.

Every utterance is also calibrated by parameters that its speaker's votes had no part in. The ALMs' weights and the mixture
beside them are fitted to these distributions: the votes that they are fitted to have not been seen by the calibration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.pooling.calibration import FLOOR, RIDGE_MATRIX, Calibration, fit_calibration

_LEAST_GAIN = 1e-3  # nats per vote, below which an ALM counts as uninformative
_RIDGES = (RIDGE_MATRIX, 10 * RIDGE_MATRIX)  # of the confusion matrix, weaker and stronger


@dataclass(frozen=True)
class CrossFit:
    """The calibration of one ALM and its result on speakers that it was not fitted on.

    Attributes:
        calibration: fitted on all utterances.
        calibrated_NK: every utterance's distribution by a calibration fitted on other speakers; nan where the ALM did
            not answer.
        is_informative: whether the calibrated ALM predicts unseen speakers' votes better than the corpus prior does.
    """

    calibration: Calibration
    calibrated_NK: np.ndarray
    is_informative: bool


def cross_fit(
    n_NK: np.ndarray, q_NK: np.ndarray, speaker_N: np.ndarray, *, matrix: bool, folds: int = 5
) -> CrossFit:
    """Fit the calibration of an ALM, by cross-validation over speakers.

    A confusion matrix is used only where it predicts unseen speakers' votes better than none does: where the mean gain
    in log-likelihood per speaker exceeds one of its standard errors. The same holds for its strength of shrinkage. The
    ALM is informative where the mean gain over the corpus prior exceeds two standard errors and a thousandth of a nat
    per vote.

    Args:
        n_NK: human votes per utterance and label.
        q_NK: the ALM's distributions of the same utterances; nan where it did not answer.
        speaker_N: a number per speaker.
        matrix: whether the calibration may have a confusion matrix.
        folds: number of folds; no more than there are speakers.

    Returns:
        The result. With fewer than two speakers or one label only nothing can be tested: the ALM is not informative,
        and there is no confusion matrix.

    Examples:
        >>> n_NK = np.tile([[9.0, 1.0], [1.0, 9.0]], (10, 1))
        >>> q_NK = np.tile([[0.8, 0.2], [0.2, 0.8]], (10, 1))
        >>> cross_fit(n_NK, q_NK, np.arange(20) // 2, matrix=False).is_informative
        True
    """
    usable_N = (n_NK.sum(1) > 0) & np.isfinite(q_NK).all(1)
    speakers = np.unique(speaker_N[usable_N])
    if len(speakers) < 2 or n_NK.shape[1] == 1:
        calibration = fit_calibration(n_NK, q_NK, matrix=False)
        return CrossFit(calibration, calibration.apply(q_NK), False)
    fold_N = np.searchsorted(speakers, speaker_N) % min(folds, len(speakers))
    ridges = [None, *_RIDGES] if matrix else [None]
    calibrated = {ridge: _out_of_fold(n_NK, q_NK, fold_N, ridge) for ridge in ridges}
    # The prior is the calibration of an ALM that always answers alike, fitted with the same penalties to the same
    # utterances: those that are not answered may have other emotions.
    alike_NK = np.where(np.isfinite(q_NK), 1 / q_NK.shape[1], np.nan)
    prior_NK = _out_of_fold(n_NK, alike_NK, fold_N, None)
    index_M = np.searchsorted(speakers, speaker_N[usable_N])

    def gain(first_NK: np.ndarray, second_NK: np.ndarray) -> np.ndarray:
        """Gain in log-likelihood by speaker, ``gain_S``."""
        log_ratio_NK = np.log(np.maximum(first_NK, FLOOR)) - np.log(np.maximum(second_NK, FLOOR))
        return np.bincount(index_M, weights=(n_NK * log_ratio_NK)[usable_N].sum(1))

    best: float | None = None
    for ridge in reversed(ridges):  # the strongest shrinkage first
        if _exceeds(gain(calibrated[ridge], calibrated[best]), 1):
            best = ridge
    gain_S = gain(calibrated[best], prior_NK)
    large_enough = gain_S.sum() > _LEAST_GAIN * n_NK[usable_N].sum()
    return CrossFit(_fit(n_NK, q_NK, best), calibrated[best], bool(large_enough and _exceeds(gain_S, 2)))


def _out_of_fold(n_NK: np.ndarray, q_NK: np.ndarray, fold_N: np.ndarray, ridge: float | None) -> np.ndarray:
    calibrated_NK = np.full(q_NK.shape, np.nan)
    for fold in np.unique(fold_N):
        test_N = fold_N == fold
        calibrated_NK[test_N] = _fit(n_NK[~test_N], q_NK[~test_N], ridge).apply(q_NK[test_N])
    return calibrated_NK


def _fit(n_NK: np.ndarray, q_NK: np.ndarray, ridge: float | None) -> Calibration:
    """The calibration with a ridge of the confusion matrix; None: no matrix."""
    if ridge is None:
        return fit_calibration(n_NK, q_NK, matrix=False)
    return fit_calibration(n_NK, q_NK, ridge_matrix=ridge)


def _exceeds(gain_S: np.ndarray, errors: float) -> bool:
    """Whether the mean gain exceeds so many of its standard errors."""
    return bool(gain_S.mean() > errors * gain_S.std(ddof=1) / np.sqrt(len(gain_S)))
