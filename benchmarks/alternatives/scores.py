"""Scores row by row, and resampling in a loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

Array = NDArray[np.float64]


def jensen_shannon_rows(p_NK: Array, q_NK: Array) -> Array:
    """The base-2 divergence of every row by scipy, which gives its root."""
    return np.array([jensenshannon(p, q, base=2) ** 2 for p, q in zip(p_NK, q_NK, strict=True)])


def sign_flip_loop(difference_N: Array, speaker_N: NDArray[np.int64], resamples: int) -> float:
    """The p-value of the sign-flip test over speakers: one resample of all utterances after the other."""
    rng = np.random.default_rng(0)
    observed = abs(difference_N.mean())
    extreme = 0
    for _ in range(resamples):
        sign_S = rng.choice([-1, 1], speaker_N.max() + 1)
        extreme += abs((difference_N * sign_S[speaker_N]).mean()) >= observed
    return (extreme + 1) / (resamples + 1)


def bootstrap_loop(score_N: Array, speaker_N: NDArray[np.int64], resamples: int) -> Array:
    """The mean and its standard error by a bootstrap over speakers: utterances of drawn speakers, resample by resample."""
    rng = np.random.default_rng(0)
    speakers = speaker_N.max() + 1
    rows_of = [np.flatnonzero(speaker_N == speaker) for speaker in range(speakers)]
    means = [
        score_N[np.concatenate([rows_of[speaker] for speaker in rng.integers(0, speakers, speakers)])].mean()
        for _ in range(resamples)
    ]
    return np.array([score_N.mean(), np.std(means)])


def jackknife_loop(score_N: Array, speaker_N: NDArray[np.int64]) -> Array:
    """The mean and its jackknife standard error over speakers: one speaker left out after the other."""
    without = np.array([score_N[speaker_N != speaker].mean() for speaker in np.unique(speaker_N)])
    groups = len(without)
    error = np.sqrt((groups - 1) / groups * ((without - score_N.mean()) ** 2).sum())
    return np.array([score_N.mean(), error])
