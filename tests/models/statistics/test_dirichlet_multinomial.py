"""The fitted Dirichlet: known parameters, its likelihood by scipy, and votes that say little."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import dirichlet_multinomial

from ambivox.models.errors import UserError
from ambivox.models.statistics.dirichlet_multinomial import fit_dirichlet


@pytest.mark.parametrize("votes", [2, 5, 12])
@pytest.mark.parametrize("alpha", [[0.4, 0.4, 1.2], [6.0, 2.0, 1.0], [0.1, 0.1, 0.1]])
def test_known_parameters_are_recovered(alpha: list[float], votes: int) -> None:
    rng = np.random.default_rng(votes)
    fitted_K = fit_dirichlet(rng.multinomial(votes, rng.dirichlet(alpha, 40_000)))
    assert fitted_K == pytest.approx(np.array(alpha), rel=0.12)


def test_no_other_parameters_have_a_higher_likelihood() -> None:
    rng = np.random.default_rng(0)
    n_NK = rng.multinomial(6, rng.dirichlet([0.7, 0.2, 1.5], 300))
    fitted_K = fit_dirichlet(n_NK)

    def likelihood(alpha_K: np.ndarray) -> float:
        return float(dirichlet_multinomial.logpmf(n_NK, alpha_K, n_NK.sum(1)).sum())

    best = likelihood(fitted_K)
    for k in range(3):
        for factor in (0.95, 1.05):
            assert likelihood(fitted_K * np.where(np.arange(3) == k, factor, 1.0)) < best


def test_votes_that_say_little() -> None:
    assert np.isfinite(fit_dirichlet(np.zeros((4, 3)))).all()
    assert np.isfinite(fit_dirichlet(np.eye(3))).all()  # single votes: the sum is undetermined
    assert fit_dirichlet(np.tile([5.0, 5.0], (50, 1))).sum() > 100  # utterances do not differ
    assert fit_dirichlet(np.tile(np.eye(2) * 6, (50, 1))).sum() < 0.1  # all raters always agree
    assert fit_dirichlet(np.array([[3.0]])).shape == (1,)
    with pytest.raises(UserError, match="at least 0"):
        fit_dirichlet(np.array([[-1.0, 2.0]]))
