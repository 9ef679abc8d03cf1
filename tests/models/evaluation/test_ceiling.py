"""The human ceiling on votes whose halves are known."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.evaluation.ceiling import split_half


def test_unanimous_votes_agree_and_single_votes_are_undefined() -> None:
    halves = split_half(np.array([[6.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    assert halves["js"][0] == 0.0
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
