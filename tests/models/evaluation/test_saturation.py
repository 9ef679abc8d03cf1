"""The saturation curve against its closed form, and the saturation point of a known curve."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.errors import UserError
from ambivox.models.evaluation.saturation import Saturation, _fit, _point, saturation


def test_point_of_a_known_curve() -> None:
    votes_V = np.arange(1, 21)
    fit = _fit(votes_V, 0.2 + 0.3 * np.exp(-0.5 * votes_V))
    assert fit == pytest.approx((0.2, -0.3, 0.5), abs=1e-4)
    assert fit is not None and _point(fit) == pytest.approx(1 + np.log(10) / 0.5, abs=1e-3)


def test_the_interval_of_the_point_covers_that_of_many_speakers() -> None:
    rng = np.random.default_rng(0)

    def curve(speakers: int) -> Saturation:
        speaker_N = np.repeat(np.arange(speakers), 15)
        sharpness_S = rng.gamma(4, 0.25, speakers)
        truth_NK = np.stack([rng.dirichlet(np.full(4, 1 / sharpness_S[s])) for s in speaker_N])
        synthetic_NK = 0.6 * truth_NK + 0.1
        return saturation(truth_NK, synthetic_NK, groups_N=speaker_N, subsets=3)

    many = curve(1000).point_interval
    assert many is not None
    covered = 0
    for _ in range(30):
        interval = curve(8).point_interval
        assert interval is not None and interval.low < interval.value < interval.high
        covered += interval.low <= many.value <= interval.high
    assert covered >= 26
    lone = saturation(np.eye(2), np.full((2, 2), 0.5), groups_N=["a", "a"], votes=8).point_interval
    assert lone is None or np.isnan(lone.low)


def test_one_vote_against_the_expectation_of_one_vote() -> None:
    truth_NK = np.tile([0.5, 0.5], (20_000, 1))
    curve = saturation(truth_NK, np.tile([0.9, 0.1], (20_000, 1)), votes=8)
    assert curve.js_V[0] == pytest.approx(0.3112781, abs=1e-6)  # either vote is as far from (1/2, 1/2)
    both = (0.9**2 + 0.1**2) * 0.3112781  # of two votes: alike, else equal to the truth
    assert curve.js_V[1] == pytest.approx(both, abs=0.003)
    assert curve.js_V[-1] > curve.asymptote


def test_a_curve_that_does_not_fall_has_no_point() -> None:
    truth_NK = np.tile([1.0, 0.0], (50, 1))
    curve = saturation(truth_NK, truth_NK)
    assert curve.point is None and curve.fit is None and curve.js_V.max() == 0.0


def test_bad_input() -> None:
    with pytest.raises(UserError, match="4 or more votes"):
        saturation(np.ones((1, 1)), np.ones((1, 1)), votes=3)
    with pytest.raises(UserError, match="utterances"):
        saturation(np.ones((0, 1)), np.ones((0, 1)))
