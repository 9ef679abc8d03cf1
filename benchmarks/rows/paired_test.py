"""The sign-flip test over speakers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ambivox.models.statistics.paired_tests import paired_test
from benchmarks.alternatives.scores import sign_flip_loop
from benchmarks.harness import Method, Row

_UTTERANCES, _SPEAKERS, _RESAMPLES = 100_000, 1_000, 1_000


def write_inputs(folder: Path, scale: float) -> None:
    """Differences of two systems that are alike, and speakers."""
    rng = np.random.default_rng(0)
    rows = round(_UTTERANCES * scale)
    speaker_N = rng.integers(0, _SPEAKERS, rows)
    np.save(folder / "scores.npy", rng.normal(0, 0.1, (2, rows)))
    np.save(folder / "speakers.npy", speaker_N)


def _ours(folder: Path) -> Callable[[], np.ndarray]:
    first_N, second_N = np.load(folder / "scores.npy")
    speaker_N = np.load(folder / "speakers.npy")
    return lambda: np.array([paired_test(first_N, second_N, speaker_N, resamples=_RESAMPLES).p_value])


def _loop(folder: Path) -> Callable[[], np.ndarray]:
    first_N, second_N = np.load(folder / "scores.npy")
    speaker_N = np.load(folder / "speakers.npy")
    return lambda: np.array([sign_flip_loop(first_N - second_N, speaker_N, _RESAMPLES)])


ROW = Row(
    title="sign-flip test of two systems on 100,000 utterances of 1,000 speakers, 1,000 resamples",
    write_inputs=write_inputs,
    methods={
        "ours": Method(
            "`paired_test`: signs of speakers times their sums, and the interval of the difference", _ours
        ),
        "loop": Method(
            "every utterance's difference with its speaker's sign, resample after resample", _loop
        ),
    },
    tolerance=0.1,  # of two p-values from different random signs; their difference has a standard error of 0.022
    targets={"loop": 50.0},
    items=_UTTERANCES,
)
