"""What an answer counts for where no utterance has two votes: recovered where raters agree as assumed, and of use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ambivox.models.pooling.assumed_votes import START_VOTES, assumed_mixture
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.mixture import DirichletMixture
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.pooling.response import CRITERIA, Criterion
from tests.support.pooling_tables import label_names

_PRIOR_K = np.array([0.4, 0.25, 0.2, 0.1, 0.05])


def _one_vote_each(answers_spread: float, votes: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers c, true distributions around them, and a vote each."""
    rng = np.random.default_rng(int(10 * answers_spread))
    c_NK = rng.dirichlet(answers_spread * _PRIOR_K, 4000) * 0.999 + 0.0002
    gamma_NK = rng.standard_gamma(votes * c_NK) + 1e-12
    theta_NK = gamma_NK / gamma_NK.sum(1, keepdims=True)
    return c_NK, theta_NK, rng.multinomial(1, theta_NK).astype(float)


@pytest.mark.parametrize(("answers_spread", "votes"), [(20.0, 7 / 3), (5.0, 4.0), (3.0, 8.0)])
def test_the_votes_are_recovered_where_raters_agree_as_assumed(answers_spread: float, votes: float) -> None:
    """With c ~ Dirichlet(a prior), two raters agree as START_VOTES votes of the prior imply for k = 2 (a + 1) / (a - 2)."""
    c_NK, theta_NK, _ = _one_vote_each(answers_spread, votes)
    prior_agreement = (START_VOTES * (_PRIOR_K**2).sum() + 1) / (START_VOTES + 1)
    assert (theta_NK**2).sum(1).mean() == pytest.approx(prior_agreement, abs=0.01)
    assumed = assumed_mixture(_PRIOR_K, c_NK)
    assert np.exp(assumed.answer_weights_F[0]) == pytest.approx(votes, rel=0.15)


def test_an_answer_that_is_surer_than_raters_agree_counts_for_the_papers_ten_votes() -> None:
    assert np.exp(assumed_mixture(_PRIOR_K, np.eye(5)).answer_weights_F[0]) == pytest.approx(10.0)
    assert np.exp(assumed_mixture(_PRIOR_K, _PRIOR_K[None]).answer_weights_F[0]) == pytest.approx(START_VOTES)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_criterion_without_effect_is_said(criterion: Criterion) -> None:
    c_NK, _, n_NK = _one_vote_each(3.0, 8.0)
    mass_N1, speaker_N = np.ones((len(c_NK), 1)), np.arange(len(c_NK)) % 40

    def reason(n_NK: np.ndarray, c_NK: np.ndarray) -> str | None:
        inputs = PoolingInputs(n_NK, c_NK[:, None], mass_N1, speaker_N)
        model = fit_pooling(label_names(n_NK.shape[1]), ["alm"], inputs, np.ones(1), criterion=criterion)
        assert not model.has_response
        found: str | None = model.fitted_on.get("no_response")
        return found

    reasons = reason(n_NK, c_NK), reason(4 * n_NK, np.full_like(c_NK, np.nan))
    is_likelihood = criterion == "likelihood"
    assert reasons == (
        (None, None) if is_likelihood else ("no utterance has two votes", "no ALM contributes")
    )
    one_label = PoolingInputs(n_NK.sum(1, keepdims=True), np.ones((len(n_NK), 1, 1)), mass_N1, speaker_N)
    assert "there is one label" in fit_pooling(["a"], ["alm"], one_label, np.ones(1)).fitted_on["target"]


def test_single_votes_are_pooled_better_than_with_equal_votes_for_prior_and_answer() -> None:
    c_NK, theta_NK, n_NK = _one_vote_each(3.0, 8.0)
    inputs = PoolingInputs(n_NK, c_NK[:, None], np.ones((len(c_NK), 1)), np.arange(len(c_NK)) % 40)
    model = fit_pooling(label_names(5), ["alm"], inputs, np.ones(1))
    assert "assumed" in model.fitted_on["target"]

    def error(changed: PoolingModel) -> float:
        p_NK = pool(changed, n_NK, c_NK[:, None]).p_NK
        return float(((p_NK - theta_NK) ** 2).sum(1).mean())

    best_NK = (8 * c_NK + n_NK) / 9  # Bayes' rule with the true parameters
    best = float(((best_NK - theta_NK) ** 2).sum(1).mean())
    alm = float(((c_NK - theta_NK) ** 2).sum(1).mean())
    equal = replace(model, beside_alms=DirichletMixture.single(5, START_VOTES))
    assert error(model) < 1.05 * best
    assert error(model) < alm < error(equal) < error(model.without_alms())
