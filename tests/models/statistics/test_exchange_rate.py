"""The exchange rate: a known curve, its limits, coverage, and extrapolation."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.statistics.exchange_rate import exchange_rate


def _curve(votes: np.ndarray, prior_votes: float) -> np.ndarray:
    return 1 / (votes + prior_votes)


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0, 2.7, 6.0])
def test_a_known_curve_is_inverted_between_whole_numbers(rate: float) -> None:
    curve_NJ = np.tile(_curve(3 + np.arange(9.0), 1.5), (20, 1))
    found = exchange_rate(np.full(20, _curve(np.array(3 + rate), 1.5)), curve_NJ)
    assert found.value == pytest.approx(rate, abs=0.03)
    assert not found.is_extrapolated and found.limit == found.measured == 8


def test_a_worse_score_is_worth_nothing_and_a_better_one_than_any_is_more_than_the_limit() -> None:
    curve_NJ = np.tile([0.5, 0.4, 0.35], (10, 1))
    worse, better = exchange_rate(np.full(10, 0.6), curve_NJ), exchange_rate(np.full(10, 0.1), curve_NJ)
    assert (worse.value, worse.low, worse.high) == (0.0, 0.0, 0.0)
    assert str(better) == "more than 2" and better.value == float("inf")


def test_extrapolation_is_marked_and_limited() -> None:
    votes = 3 + np.arange(12.0)
    curve = _curve(votes, 1.0)
    found = exchange_rate(
        np.full(10, _curve(np.array(3 + 5.0), 1.0)),
        np.tile(curve[:4], (10, 1)),
        further_E=curve[4:] - curve[3],
    )
    assert found.value == pytest.approx(5.0, abs=0.05)
    assert found.is_extrapolated and (found.measured, found.limit) == (3, 11)


def test_one_speaker_gives_no_interval_and_no_utterance_gives_nothing() -> None:
    found = exchange_rate(np.full(4, 0.4), np.tile([0.5, 0.3], (4, 1)), ["a"] * 4)
    assert found.value == pytest.approx(0.5, abs=0.02) and np.isnan(found.low) and str(found) == "0.5"
    assert str(exchange_rate(np.zeros(0), np.zeros((0, 3)))) == "undefined"


@pytest.mark.parametrize(("speakers", "rate"), [(4, 2.0), (10, 2.0), (10, 0.0)])
def test_the_interval_covers_the_truth(speakers: int, rate: float) -> None:
    rng = np.random.default_rng(speakers)
    covered = 0
    for _ in range(300):
        group_N = np.repeat(np.arange(speakers), 30)
        # Speakers differ in how much the ALM helps, and in how hard they are.
        level_N = _curve(np.array(3 + rate), 1.0) + rng.normal(0, 0.03, speakers)[group_N]
        curve_NJ = _curve(3 + np.arange(9.0), 1.0) * (1 + rng.normal(0, 0.1, (len(group_N), 1)))
        found = exchange_rate(level_N + rng.normal(0, 0.1, len(group_N)), curve_NJ, group_N)
        covered += found.low <= rate <= found.high
    assert covered / 300 > 0.92
