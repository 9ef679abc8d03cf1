"""The jackknife interval over speakers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ambivox.models.statistics.intervals import mean_interval
from benchmarks.alternatives.scores import bootstrap_loop, jackknife_loop
from benchmarks.harness import Method, Row

_UTTERANCES, _SPEAKERS, _RESAMPLES = 100_000, 1_000, 1_000


def write_inputs(folder: Path, scale: float) -> None:
    """Scores and speakers."""
    rng = np.random.default_rng(0)
    rows = round(_UTTERANCES * scale)
    np.save(folder / "speakers.npy", rng.integers(0, _SPEAKERS, rows))
    np.save(folder / "scores.npy", rng.random(rows))


def _ours(folder: Path) -> Callable[[], np.ndarray]:
    from scipy.stats import t

    score_N = np.load(folder / "scores.npy")
    speaker_N = np.load(folder / "speakers.npy")
    quantile = t.ppf(0.975, len(np.unique(speaker_N)) - 1)

    def call() -> np.ndarray:
        interval = mean_interval(score_N, speaker_N)
        return np.array([interval.value, (interval.high - interval.value) / quantile])

    return call


def _jackknife(folder: Path) -> Callable[[], np.ndarray]:
    score_N, speaker_N = np.load(folder / "scores.npy"), np.load(folder / "speakers.npy")
    return lambda: jackknife_loop(score_N, speaker_N)


def _bootstrap(folder: Path) -> Callable[[], np.ndarray]:
    score_N, speaker_N = np.load(folder / "scores.npy"), np.load(folder / "speakers.npy")
    return lambda: bootstrap_loop(score_N, speaker_N, _RESAMPLES)


def _logarithm(mean_and_error: np.ndarray) -> np.ndarray:
    """The mean, and the logarithm of its standard error."""
    return np.array([mean_and_error[0], np.log(mean_and_error[1])])


ROW = Row(
    title="standard error over 1,000 speakers of a mean over 100,000 utterances",
    write_inputs=write_inputs,
    methods={
        "ours": Method("`mean_interval`: a jackknife from the sums per speaker", _ours, array=_logarithm),
        "jackknife": Method("the mean without each speaker in turn", _jackknife, array=_logarithm),
        "bootstrap": Method(
            "1,000 resamples of the speakers with their utterances, one after the other",
            _bootstrap,
            array=_logarithm,
        ),
    },
    tolerance=0.1,  # of the logarithm of the standard error; the bootstrap's has an error of 2 %
    targets={"jackknife": 50.0, "bootstrap": 50.0},
    items=_UTTERANCES,
)
