"""Bootstrap intervals: coverage, clusters, second implementations, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ambivox.models.statistics.bootstrap import mean_interval, ratio_interval, resampled_means


def test_interval_matches_scipy() -> None:
    score_N = np.random.default_rng(0).gamma(2.0, size=300)
    ours = mean_interval(score_N, resamples=4000)
    theirs = stats.bootstrap(
        (score_N,), np.mean, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    assert ours.value == pytest.approx(score_N.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_intervals_over_speakers_cover_the_truth_where_those_over_utterances_do_not() -> None:
    rng = np.random.default_rng(1)
    by_speaker = by_utterance = 0
    groups = np.repeat(np.arange(25), 20)
    for repeat in range(200):
        score_N = rng.normal(0, 1, 25)[groups] + rng.normal(0, 0.3, 500)  # the true mean is 0
        interval = mean_interval(score_N, groups, resamples=300, seed=repeat)
        by_speaker += interval.low <= 0 <= interval.high
        interval = mean_interval(score_N, resamples=300, seed=repeat)
        by_utterance += interval.low <= 0 <= interval.high
    assert 0.86 <= by_speaker / 200 <= 0.99
    assert by_utterance / 200 < 0.6


def test_blocks_of_resamples_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    score_N = np.random.default_rng(2).normal(size=50)
    in_one_block = resampled_means(score_N, resamples=40)
    monkeypatch.setattr("ambivox.models.statistics.bootstrap.BLOCK_CELLS", 350)
    assert resampled_means(score_N, resamples=40) == pytest.approx(in_one_block)


def test_ratio_is_paired() -> None:
    base_N = np.random.default_rng(3).gamma(2.0, size=200)
    interval = ratio_interval(0.5 * base_N, base_N)
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.5, 0.5, 0.5))


def test_nothing_and_unknown_speakers() -> None:
    assert np.isnan(mean_interval(np.zeros(0)).low)
    # Unknown speakers are groups of their own, not one group.
    alone = mean_interval(np.arange(10.0), [None] * 10)
    assert alone.low < alone.value < alone.high
