"""Bootstrap intervals and tests: coverage, clusters, second implementations, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ambivox.models.statistics.bootstrap import (
    holm,
    mean_interval,
    paired_test,
    ratio_interval,
    resampled_means,
)


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
        found = mean_interval(score_N, groups, resamples=300, seed=repeat)
        by_speaker += found.low <= 0 <= found.high
        found = mean_interval(score_N, resamples=300, seed=repeat)
        by_utterance += found.low <= 0 <= found.high
    assert 0.86 <= by_speaker / 200 <= 0.99
    assert by_utterance / 200 < 0.6


def test_blocks_of_resamples_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    score_N = np.random.default_rng(2).normal(size=50)
    whole = resampled_means(score_N, resamples=40)
    monkeypatch.setattr("ambivox.models.statistics.bootstrap._BLOCK_CELLS", 350)
    assert resampled_means(score_N, resamples=40) == pytest.approx(whole)


def test_ratio_is_paired() -> None:
    base_N = np.random.default_rng(3).gamma(2.0, size=200)
    found = ratio_interval(0.5 * base_N, base_N)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_sign_flip_test_by_enumeration() -> None:
    # Groups' sums 3, 2, 1: of 8 sign patterns only +++ and --- reach |6|, so p = 2 / 8.
    found = paired_test([3.0, 2.0, 1.0], [0.0, 0.0, 0.0], ["a", "b", "c"], resamples=40_000)
    assert found.p_value == pytest.approx(0.25, abs=0.01)
    assert found.share_lower == 0.0 and found.groups == 3


def test_sign_flip_test_has_its_size_and_power() -> None:
    rng = np.random.default_rng(4)
    null = [paired_test(rng.normal(size=60), rng.normal(size=60), resamples=400).p_value for _ in range(300)]
    assert np.mean(np.array(null) < 0.05) == pytest.approx(0.05, abs=0.035)
    far = paired_test(rng.normal(0, 1, 400), rng.normal(1, 1, 400), np.arange(400) // 10)
    assert far.p_value < 0.001 and far.difference.high < 0


def test_holm_matches_statsmodels() -> None:
    p_values = np.array([0.01, 0.04, 0.03, 0.5, 0.001])
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert np.isnan(holm(np.array([np.nan, 0.01]))[0]) and holm(np.array([np.nan, 0.01]))[1] == 0.01


def test_nothing_and_unknown_speakers() -> None:
    assert np.isnan(mean_interval(np.zeros(0)).low) and np.isnan(paired_test([], []).p_value)
    # Unknown speakers are groups of their own, not one group.
    alone = mean_interval(np.arange(10.0), [None] * 10)
    assert alone.low < alone.value < alone.high
