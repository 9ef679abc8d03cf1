"""Whether an ALM's distributions carry any information about human votes, tested on unseen speakers."""

from __future__ import annotations

import numpy as np

from ambivox.models.pooling.calibration import FLOOR, fit_calibration

_LEAST_GAIN = 1e-3  # nats per vote, below which an ALM counts as uninformative


def is_informative(
    n_NK: np.ndarray, q_NK: np.ndarray, speaker_N: np.ndarray, *, matrix: bool, folds: int = 5
) -> bool:
    """Whether the calibrated ALM predicts unseen speakers' votes better than the corpus prior does.

    Cross-validated over speakers. "Better" means that the mean gain in log-likelihood per speaker exceeds two of
    its standard errors, and that the total gain exceeds a thousandth of a nat per vote.

    Args:
        n_NK: human votes per utterance and label.
        q_NK: the ALM's distributions of the same utterances; nan where it did not answer.
        speaker_N: a number per speaker.
        matrix: whether the calibration has a confusion matrix.
        folds: number of folds; no more than there are speakers.

    Returns:
        False with fewer than two speakers or one label only, as nothing can be tested then.

    Examples:
        >>> n_NK = np.tile([[9.0, 1.0], [1.0, 9.0]], (10, 1))
        >>> q_NK = np.tile([[0.8, 0.2], [0.2, 0.8]], (10, 1))
        >>> is_informative(n_NK, q_NK, np.arange(20) // 2, matrix=False)
        True
    """
    usable_N = (n_NK.sum(1) > 0) & np.isfinite(q_NK).all(1)
    n_NK, q_NK, speaker_N = n_NK[usable_N], q_NK[usable_N], speaker_N[usable_N]
    speakers = np.unique(speaker_N)
    if len(speakers) < 2 or n_NK.shape[1] == 1:
        return False
    folds = min(folds, len(speakers))
    fold_N = np.searchsorted(speakers, speaker_N) % folds
    # The prior is the calibration of an ALM that always answers alike, fitted with the same penalties.
    uniform_NK = np.full_like(q_NK, 1 / q_NK.shape[1])
    gain_N = np.zeros(len(n_NK))
    for fold in range(folds):
        test_N, train_N = fold_N == fold, fold_N != fold
        calibrated_NK, prior_NK = (
            fit_calibration(n_NK[train_N], answer_NK[train_N], matrix=matrix).apply(answer_NK[test_N])
            for answer_NK in (q_NK, uniform_NK)
        )
        log_ratio_NK = np.log(np.maximum(calibrated_NK, FLOOR)) - np.log(np.maximum(prior_NK, FLOOR))
        gain_N[test_N] = (n_NK[test_N] * log_ratio_NK).sum(1)
    gain_S = np.bincount(np.searchsorted(speakers, speaker_N), weights=gain_N)
    large_enough = gain_S.sum() > _LEAST_GAIN * n_NK.sum()
    return bool(large_enough and gain_S.mean() > 2 * gain_S.std(ddof=1) / np.sqrt(len(gain_S)))
