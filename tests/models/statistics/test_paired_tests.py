"""The sign-flip test by enumeration, its size and power; Holm's adjustment against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from ambivox.models.statistics import paired_tests
from ambivox.models.statistics.paired_tests import holm, paired_test


def test_sign_flip_test_by_enumeration() -> None:
    # Groups' sums 3, 2, 1: of 8 sign patterns only +++ and --- reach |6|, so p = 2 / 8.
    test = paired_test([3.0, 2.0, 1.0], [0.0, 0.0, 0.0], ["a", "b", "c"])
    assert test.p_value == 0.25
    assert test.share_lower == 0.0 and test.groups == 3


@pytest.mark.parametrize(("groups", "least"), [(1, 1.0), (2, 0.5), (3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_few_speakers_cannot_be_significant(groups: int, least: float) -> None:
    test = paired_test(np.full(4 * groups, -9.0), np.zeros(4 * groups), np.arange(4 * groups) % groups)
    assert (test.p_value, test.least_p_value) == (least, least)


def test_speakers_without_a_difference_do_not_help_to_be_significant() -> None:
    # Of 8 speakers, two differ.
    difference_N = np.array([1.0, 1.0, 0, 0, 0, 0, 0, 0])
    test = paired_test(difference_N, np.zeros(8))
    assert (test.p_value, test.least_p_value) == (0.5, 0.5)


def test_random_patterns_agree_with_all_patterns() -> None:
    rng = np.random.default_rng(5)
    first_N, second_N = rng.normal(0.3, 1, 14), np.zeros(14)
    pattern_RG = (np.arange(2**14)[:, None] >> np.arange(14) & 1) * 2.0 - 1.0
    exact = np.mean(np.abs(pattern_RG @ first_N) >= abs(first_N.sum()) - 1e-12)
    assert paired_test(first_N, second_N, resamples=40_000).p_value == pytest.approx(exact, abs=0.01)


def test_sign_flip_test_has_its_size_and_power() -> None:
    rng = np.random.default_rng(4)
    null = [paired_test(rng.normal(size=60), rng.normal(size=60), resamples=400).p_value for _ in range(300)]
    assert np.mean(np.array(null) < 0.05) == pytest.approx(0.05, abs=0.035)
    far = paired_test(rng.normal(0, 1, 400), rng.normal(1, 1, 400), np.arange(400) // 10)
    assert far.p_value < 0.001 and far.difference.high < 0


def test_the_signs_do_not_depend_on_the_memory_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    score_N = np.random.default_rng(3).normal(0.1, 1.0, 137)
    p_value = paired_test(score_N, np.zeros(137), resamples=1_001).p_value
    monkeypatch.setattr(paired_tests, "_BLOCK_CELLS", 5_000)
    assert paired_test(score_N, np.zeros(137), resamples=1_001).p_value == p_value


def test_holm_matches_statsmodels() -> None:
    p_values = np.array([0.01, 0.04, 0.03, 0.5, 0.001])
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert np.isnan(holm(np.array([np.nan, 0.01]))[0]) and holm(np.array([np.nan, 0.01]))[1] == 0.01


def test_nothing_to_test() -> None:
    test = paired_test(np.zeros(0), np.zeros(0))
    assert np.isnan(test.p_value) and np.isnan(test.difference.value) and test.groups == 0
