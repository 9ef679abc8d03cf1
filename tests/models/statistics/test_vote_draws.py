"""Drawing votes for all utterances at once, against what drawing one by one must give."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.statistics.proper_scores import squared_error
from ambivox.models.statistics.vote_draws import (
    draw_votes,
    drawn_vote_square,
    predictive_votes,
    whole_votes,
)


def test_drawn_votes_are_some_of_those_there_are() -> None:
    rng = np.random.default_rng(0)
    n_NK = rng.integers(0, 5, (500, 4)).astype(float)
    keep_N = rng.integers(0, 9, 500)
    drawn_NK = draw_votes(n_NK, keep_N, rng)
    assert (drawn_NK <= n_NK).all() and (drawn_NK >= 0).all()
    assert drawn_NK.sum(1).tolist() == np.minimum(keep_N, n_NK.sum(1)).tolist()


def test_drawing_follows_the_hypergeometric_distribution() -> None:
    n_NK = np.tile([6.0, 3.0, 1.0], (60_000, 1))
    drawn_NK = draw_votes(n_NK, np.full(60_000, 3), np.random.default_rng(1))
    assert drawn_NK.mean(0) == pytest.approx([1.8, 0.9, 0.3], abs=0.02)
    # Var = k p (1 - p) (N - k) / (N - 1)
    assert drawn_NK[:, 0].var() == pytest.approx(3 * 0.6 * 0.4 * 7 / 9, rel=0.03)


def test_fractions_are_drawn_whole() -> None:
    drawn_NK = draw_votes(np.tile([0.5, 1.5], (200, 1)), np.full(200, 1), np.random.default_rng(2))
    assert set(map(tuple, drawn_NK.tolist())) == {(0.5, 0.0), (0.0, 0.75)}


@pytest.mark.parametrize("splitting", [0.0, 0.2, 0.5])
def test_half_of_votes_that_raters_split_has_an_unbiased_squared_error(splitting: float) -> None:
    rng = np.random.default_rng(5)
    rows, raters, chance_K = 40_000, 10, np.array([0.5, 0.3, 0.15, 0.05])
    first_NR, second_NR = (rng.choice(4, p=chance_K, size=(rows, raters)) for _ in range(2))
    is_split_NR1 = (rng.random((rows, raters)) < splitting)[..., None]
    vote_NRK = np.where(is_split_NR1, (np.eye(4)[first_NR] + np.eye(4)[second_NR]) / 2, np.eye(4)[first_NR])
    votes_NK, square_N = vote_NRK.sum(1), (vote_NRK**2).sum(2).mean(1)
    half_N = whole_votes(votes_NK).sum(1) // 2
    half_NK = draw_votes(votes_NK, half_N, rng)
    estimate_N = squared_error(
        half_NK, np.tile(chance_K, (rows, 1)), drawn_vote_square(votes_NK, half_N, square_N)
    )
    assert abs(float(estimate_N.mean())) < 4 * float(estimate_N.std()) / np.sqrt(rows)
    as_whole = float(squared_error(half_NK, np.tile(chance_K, (rows, 1))).mean())
    assert (
        as_whole == pytest.approx(float(estimate_N.mean()), abs=1e-12) if not splitting else as_whole < -0.01
    )


def test_nothing_to_draw() -> None:
    assert draw_votes(np.zeros((3, 2)), np.full(3, 2), np.random.default_rng(0)).tolist() == [[0.0, 0.0]] * 3


def test_predictive_votes_are_overdispersed_as_dirichlet_multinomial_ones() -> None:
    alpha = np.array([2.0, 1.0, 1.0])
    votes_NK = predictive_votes(np.tile(alpha, (60_000, 1)), 8, np.random.default_rng(3))
    assert votes_NK.mean(0) == pytest.approx(8 * alpha / 4, abs=0.05)
    expected = 8 * 0.5 * 0.5 * (8 + 4) / (1 + 4)
    assert votes_NK[:, 0].var() == pytest.approx(expected, rel=0.03)


def test_votes_weighted_by_reliability_are_drawn_whole() -> None:
    n_NK, slots_NK = np.array([[2.1, 0.9]]), np.array([[2.0, 1.0]])
    drawn_NK = draw_votes(
        np.tile(n_NK, (300, 1)), np.full(300, 1), np.random.default_rng(4), np.tile(slots_NK, (300, 1))
    )
    assert {tuple(row) for row in drawn_NK.round(9).tolist()} == {(1.05, 0.0), (0.0, 0.9)}
    assert (drawn_NK[:, 0] > 0).mean() == pytest.approx(2 / 3, abs=0.08)
    both_NK = draw_votes(n_NK, np.array([3]), np.random.default_rng(4), slots_NK)
    assert both_NK == pytest.approx(n_NK)
