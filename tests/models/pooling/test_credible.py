"""Credible intervals: by hand, degenerate cases, and their coverage where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from ambivox.models.pooling.credible import credible_interval
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.pooled import pool
from ambivox.models.statistics.vote_draws import draw_votes
from tests.support.pooling_tables import label_names, simulated_corpus


def test_the_interval_of_a_beta_distribution() -> None:
    low, high = credible_interval(np.array([0.3]), np.array([0.3 * 0.7 / 11]), 0.8)
    assert (low[0], high[0]) == pytest.approx(tuple(beta.ppf([0.1, 0.9], 3, 7)))


def test_certain_and_impossible_spreads() -> None:
    mean_N, variance_N = np.array([0.0, 1.0, 0.4, 0.01]), np.array([0.1, 0.0, 0.0, 0.0098])
    low_N, high_N = credible_interval(mean_N, variance_N, 0.9)
    assert low_N[:3].tolist() == high_N[:3].tolist() == [0.0, 1.0, 0.4]
    assert low_N[3] < 1e-300 and high_N[3] >= 0.01  # so skewed that the mean is beyond the quantiles


@pytest.mark.parametrize("kappa", [None, 4.0, 60.0])
def test_intervals_hold_the_truth_as_often_as_they_say(kappa: float | None) -> None:
    train, test = (simulated_corpus(rows=2000, kappa=kappa or 4.0, votes=9, seed=seed) for seed in (1, 2))
    alms = [] if kappa is None else ["alm"]
    inputs = train.inputs.with_alms(range(len(alms)))
    model = fit_pooling(label_names(4), alms, inputs, np.full(1, 3.0))
    kept_NK = draw_votes(test.n_NK, np.full(2000, 3), np.random.default_rng(0))
    pooled = pool(model, kept_NK, test.inputs.with_alms(range(len(alms))).q_NAK)
    low_NK, high_NK = credible_interval(pooled.p_NK, pooled.variance_NK, 0.9)
    inside = ((low_NK <= test.theta_NK) & (test.theta_NK <= high_NK)).mean()
    assert inside == pytest.approx(0.9, abs=0.02)
    error = ((pooled.p_NK - test.theta_NK) ** 2).sum(1).mean()
    assert pooled.variance_NK.sum(1).mean() == pytest.approx(error, rel=0.1)
