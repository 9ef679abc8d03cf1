"""Ambiguity tertiles: votes are split, and a source that is the truth is not flattered at either end."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.evaluation.ambiguity_strata import LEAST_VOTES, ambiguity_strata
from ambivox.models.evaluation.scores import divergences
from ambivox.models.statistics.ambiguity import ambiguity, tertiles


def test_votes_are_either_measured_or_scored_and_every_draw_has_equal_tertiles() -> None:
    n_NK = np.random.default_rng(0).multinomial(7, np.full(4, 0.25), 90).astype(float)
    strata = ambiguity_strata(n_NK, draws=3, seed=1)
    assert strata is not None
    assert strata.target_MK.sum(1).tolist() == [4.0] * 270  # of 7, 3 are measured
    assert (strata.target_MK <= n_NK[strata.row_M]).all()
    assert np.bincount(strata.tertile_M).tolist() == [90, 90, 90]
    again = ambiguity_strata(n_NK, draws=3, seed=1)
    assert again is not None and (again.target_MK == strata.target_MK).all()


def test_the_order_of_the_rows_does_not_decide_ties() -> None:
    strata = ambiguity_strata(np.tile([8.0, 0.0], (300, 1)), draws=1)  # all alike
    assert strata is not None
    means = [strata.row_M[strata.tertile_M == number].mean() for number in range(3)]
    assert max(means) - min(means) < 60  # by the order of the rows, 200


def test_too_few_votes_are_left_out_or_give_none() -> None:
    enough, few = [LEAST_VOTES, 0.0], [1.0, LEAST_VOTES - 2.0]
    strata = ambiguity_strata(np.array([few, enough, enough, few, enough]), draws=1)
    assert strata is not None and sorted(strata.row_M) == [1, 2, 4]
    assert ambiguity_strata(np.array([enough, enough, few])) is None
    assert ambiguity_strata(np.zeros((0, 2))) is None


def test_independent_votes_do_not_flatter_the_truth_or_its_opposite() -> None:
    """All utterances are alike, so any true score is the same in every tertile; by the target's own votes it is not."""
    rng = np.random.default_rng(3)
    p_NK = np.tile([0.5, 0.3, 0.2], (20_000, 1))
    n_NK = rng.multinomial(8, p_NK).astype(float)
    strata = ambiguity_strata(n_NK, draws=2)
    assert strata is not None
    score_M = divergences(strata.target_MK, p_NK[strata.row_M])
    for name in ("nll", "squared_error", "js"):
        means = [score_M[name][strata.tertile_M == number].mean() for number in range(3)]
        assert max(means) - min(means) < 0.01, name
    old_N, nll_N = tertiles(ambiguity(n_NK)), divergences(n_NK, p_NK)["nll"]
    assert nll_N[old_N == 2].mean() - nll_N[old_N == 0].mean() > 0.1
    assert float(score_M["nll"].mean()) == pytest.approx(float(nll_N.mean()), abs=0.01)
