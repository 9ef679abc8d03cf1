"""The human ceiling on votes whose halves are known, and the floor against simulated truths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ambivox.models.evaluation.ceiling import knowledge_floor, split_half
from ambivox.models.evaluation.scores import divergences


def test_unanimous_votes_agree_and_single_votes_are_undefined() -> None:
    halves = split_half(np.array([[6.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    assert halves["js"][0] == 0.0
    assert halves["nll"][0] == pytest.approx(-np.log(3.5 / 4)) and halves["squared_error"][
        0
    ] == pytest.approx(0)
    assert (halves["bc"][0], halves["accuracy"][0]) == pytest.approx((1.0, 1.0))
    for score_N in halves.values():
        assert np.isnan(score_N[1:]).all()


def test_two_different_votes_never_agree() -> None:
    halves = split_half(np.array([[1.0, 1.0]]))
    assert halves["js"][0] == pytest.approx(1.0) and halves["accuracy"][0] == 0.0


def test_the_mean_over_draws_is_the_expectation() -> None:
    # Of votes (2, 2), halves are alike with probability 2/3 (each (1, 1)), else disjoint.
    halves = split_half(np.tile([2.0, 2.0], (4000, 1)), draws=2)
    assert halves["js"].mean() == pytest.approx(1 / 3, abs=0.02)


def test_half_against_half_has_the_squared_error_of_half_the_votes() -> None:
    # The share of 4 votes is off the truth (1/2, 1/2) by 2 * (1/4) / 4 on average, whatever the other half is.
    votes_NK = np.random.default_rng(1).multinomial(8, np.full((20_000, 2), 0.5)).astype(float)
    assert split_half(votes_NK, draws=1)["squared_error"].mean() == pytest.approx(1 / 8, abs=0.004)


def test_the_ceiling_of_three_votes_has_a_squared_error_and_the_floor_of_one_has_none() -> None:
    assert np.isfinite(split_half(np.array([[2.0, 1.0]]))["squared_error"]).all()
    assert np.isnan(split_half(np.array([[1.0, 1.0]]))["squared_error"]).all()
    one_NK = np.array([[0.5, 0.5 + 3e-16]])  # their sum is a little more than 1
    assert np.isnan(knowledge_floor(one_NK, one_NK)["squared_error"]).all()


def test_half_against_half_of_split_votes_has_the_squared_error_of_half_the_votes() -> None:
    # Everybody names both of two labels, so every half is the truth.
    halves = split_half(np.full((10, 2), 8.0), vote_square_N=np.full(10, 0.5))
    whole = split_half(np.full((10, 2), 8.0))
    assert (halves["squared_error"] > whole["squared_error"]).all()


def _dirichlet(rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet([0.5, 0.3, 1.2, 0.4], 20_000)


def _clear_and_unclear(rng: np.random.Generator) -> np.ndarray:
    """No Dirichlet: a third of the utterances are clear, the others ambiguous between all labels."""
    clear_NK = 0.94 * np.eye(4)[rng.integers(0, 4, 20_000)] + 0.015
    unclear_NK = rng.dirichlet(np.full(4, 3.0), 20_000)
    return np.where(rng.random((20_000, 1)) < 1 / 3, clear_NK, unclear_NK)


@pytest.mark.parametrize("draw", [_dirichlet, _clear_and_unclear])
@pytest.mark.parametrize("votes", [4, 7])
def test_the_floor_is_what_the_truth_scores(
    draw: Callable[[np.random.Generator], np.ndarray], votes: int
) -> None:
    rng = np.random.default_rng(votes)
    truth_NK = draw(rng)
    target_NK = rng.multinomial(votes, truth_NK).astype(float)
    floor = knowledge_floor(target_NK + rng.multinomial(3, truth_NK), target_NK)
    scores = divergences(target_NK, truth_NK)
    assert floor["nll"].mean() == pytest.approx(scores["nll"].mean(), rel=0.03)
    assert floor["js"].mean() == pytest.approx(scores["js"].mean(), rel=0.06)
    assert floor["squared_error"].mean() == pytest.approx(scores["squared_error"].mean(), abs=0.005)


def test_nothing_predicts_better_than_the_floor() -> None:
    rng = np.random.default_rng(5)
    truth_NK = _dirichlet(rng)
    target_NK, known_NK = (rng.multinomial(votes, truth_NK).astype(float) for votes in (6, 3))
    floor = knowledge_floor(target_NK + known_NK, target_NK)
    best_NK = (known_NK + np.array([0.5, 0.3, 1.2, 0.4])) / (3 + 2.4)  # the posterior mean of the true model
    scores = divergences(target_NK, best_NK)
    assert all(floor[name].mean() < scores[name].mean() for name in scores)
