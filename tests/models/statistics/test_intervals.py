"""Jackknife intervals: coverage with few and unequal groups, second implementations, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ambivox.models.statistics.intervals import degrees_of_freedom, half_width, mean_interval, ratio_interval


def test_over_utterances_it_is_the_t_interval() -> None:
    score_N = np.random.default_rng(0).gamma(2.0, size=40)
    ours = mean_interval(score_N)
    low, high = stats.t.interval(0.95, 39, score_N.mean(), stats.sem(score_N))
    assert (ours.value, ours.low, ours.high) == pytest.approx((score_N.mean(), low, high))


def test_groups_of_equal_size_are_their_means() -> None:
    score_GM = np.random.default_rng(1).normal(size=(5, 8))
    ours = mean_interval(score_GM.ravel(), np.repeat(["a", "b", "c", "d", "e"], 8), level=0.9)
    low, high = stats.t.interval(0.9, 4, score_GM.mean(), stats.sem(score_GM.mean(1)))
    assert (ours.low, ours.high) == pytest.approx((low, high))


@pytest.mark.parametrize("groups", [2, 3, 4, 6, 25])
def test_intervals_over_speakers_cover_the_truth(groups: int) -> None:
    rng = np.random.default_rng(groups)
    covered = covered_over_utterances = 0
    for _ in range(400):
        group_N = np.repeat(np.arange(groups), rng.integers(5, 35, groups))
        score_N = rng.normal(0, 1, groups)[group_N] + rng.normal(0, 0.3, len(group_N))  # the true mean is 0
        interval = mean_interval(score_N, group_N)
        covered += interval.low <= 0 <= interval.high
        interval = mean_interval(score_N)
        covered_over_utterances += interval.low <= 0 <= interval.high
    assert covered / 400 > 0.92
    assert covered_over_utterances / 400 < 0.7


@pytest.mark.parametrize("weight_G", [np.ones(7), np.arange(1.0, 6.0), np.array([50.0, 3.0, 2.0, 1.0])])
def test_degrees_of_freedom_are_those_of_the_quadratic_form(weight_G: np.ndarray) -> None:
    share_G = weight_G / weight_G.sum()
    groups = len(share_G)
    influence_GG = (share_G / (1 - share_G))[:, None] * (np.eye(groups) - share_G)
    form_GG = influence_GG.T @ influence_GG
    expected = np.trace(form_GG) ** 2 / np.trace(form_GG @ form_GG)
    assert degrees_of_freedom(weight_G) == pytest.approx(np.clip(expected, 1, groups - 1))


def test_ratio_is_paired_and_stays_positive() -> None:
    base_N = np.random.default_rng(3).gamma(2.0, size=200)
    interval = ratio_interval(0.5 * base_N, base_N)
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.5, 0.5, 0.5))
    far_apart = ratio_interval(np.array([0.01, 0.5, 3.0]), np.ones(3))
    assert 0 < far_apart.low < far_apart.value < far_apart.high


def test_ratio_covers_the_truth() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        group_N = np.repeat(np.arange(5), 20)
        denominator_N = rng.gamma(4, 0.25, 5)[group_N] * rng.gamma(4, 0.25, 100)
        numerator_N = 0.6 * denominator_N * rng.gamma(20, 0.05, 5)[group_N] * rng.gamma(4, 0.25, 100)
        interval = ratio_interval(numerator_N, denominator_N, group_N)
        covered += interval.low <= 0.6 <= interval.high
    assert covered / 400 > 0.91


def test_a_ratio_of_differences_may_be_negative() -> None:
    interval = ratio_interval(np.array([-1.0, 0.5, -0.7]), np.array([2.0, 2.0, 1.0]))
    assert interval.value == pytest.approx(-0.24) and interval.low < interval.value < interval.high
    unstable = ratio_interval(np.array([1.0, 1.0]), np.array([2.0, -1.0]))
    assert unstable.value == 2.0 and np.isnan(unstable.low)


def test_nothing_one_group_and_unknown_speakers() -> None:
    assert np.isnan(mean_interval(np.zeros(0)).low) and np.isnan(
        ratio_interval(np.ones(2), np.zeros(2)).value
    )
    one_speaker = mean_interval(np.arange(10.0), ["a"] * 10)
    assert one_speaker.value == 4.5 and np.isnan(one_speaker.low) and np.isnan(one_speaker.high)
    assert np.isnan(half_width(1.0, np.ones(1), np.ones(1)))
    # Unknown speakers are groups of their own, not one group.
    alone = mean_interval(np.arange(10.0), [None] * 10)
    assert alone.low < alone.value < alone.high
