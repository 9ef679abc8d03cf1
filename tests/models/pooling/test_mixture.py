"""The mixture posterior by hand and by identity, its gradient by differences, and a known mixture recovered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from ambivox.models.pooling.mixture import (
    FEATURES,
    DirichletMixture,
    answer_votes,
    features,
    posterior,
)
from ambivox.models.pooling.mixture_fit import MarginalLikelihood, Votes, fit_mixture, peaked_mixture


def test_one_component_is_the_posterior_of_one_dirichlet() -> None:
    mixture = replace(DirichletMixture.single(2, 2.0), prior_votes=1.0)
    found = posterior(mixture, np.array([0.5, 0.5]), np.array([[2.0, 1.0]]), np.array([[0.25, 0.75]]))
    # alpha = (2 + 0.5 + 0.5, 1 + 0.5 + 1.5) = (3, 3)
    assert found.mean_NK == pytest.approx(np.array([[0.5, 0.5]]))
    assert found.variance_NK == pytest.approx(np.array([[0.25 / 7, 0.25 / 7]]))
    assert found.concentration_N == pytest.approx([6.0])


def test_votes_choose_between_components_by_their_marginal_likelihood() -> None:
    mixture = DirichletMixture(np.zeros(2), 0.0, np.array([[8.0, 1.0], [1.0, 8.0]]), 1.0, np.zeros(3))
    found = posterior(mixture, np.array([0.5, 0.5]), np.array([[1.0, 0.0], [0.0, 0.0]]))
    # One vote: (8.5, 1.5) has probability 0.85, (1.5, 8.5) has 0.15.
    mean = 0.85 * 9.5 / 11 + 0.15 * 2.5 / 11
    assert found.mean_NK[0] == pytest.approx([mean, 1 - mean])
    assert found.mean_NK[1] == pytest.approx([0.5, 0.5])
    assert found.concentration_N[1] < 1  # two opposite kinds are less certain than either
    assert found.concentration_N[0] > found.concentration_N[1]


@pytest.mark.parametrize("labels", [2, 6])
def test_a_dirichlet_written_as_a_mixture_is_the_same_posterior(labels: int) -> None:
    # Dirichlet(a) = sum_k a_k / A Dirichlet(a + e_k), here with a = kappa c.
    rng = np.random.default_rng(labels)
    c_NK, n_NK = rng.dirichlet(np.ones(labels), 50), rng.multinomial(3, np.full(labels, 1 / labels), 50)
    single = replace(DirichletMixture.single(labels, 4.0), prior_votes=1e-12)
    mixture = replace(single, log_weights_Z=np.zeros(labels), slope=1.0, alpha_ZK=np.eye(labels))
    prior_K = np.full(labels, 1 / labels)
    one, many = (posterior(each, prior_K, n_NK.astype(float), c_NK) for each in (single, mixture))
    assert many.mean_NK == pytest.approx(one.mean_NK, abs=1e-5)
    assert many.variance_NK == pytest.approx(one.variance_NK, abs=1e-5)
    assert many.concentration_N == pytest.approx(np.full(50, 7.0), rel=1e-3)


def test_an_answer_without_weight_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    alone = DirichletMixture(rng.normal(size=3), 0.0, rng.gamma(2.0, size=(3, 3)), 0.7, np.zeros(3))
    silent = replace(alone, answer_weights_F=np.array([-np.inf, 0.0, 0.0]))
    n_NK, c_NK = rng.integers(0, 3, (20, 3)).astype(float), rng.dirichlet(np.ones(3), 20)
    without = posterior(alone, np.full(3, 1 / 3), n_NK)
    found = posterior(silent, np.full(3, 1 / 3), n_NK, c_NK)
    assert found.mean_NK == pytest.approx(without.mean_NK, abs=3e-3)  # k is at least exp(-6)
    assert found.concentration_N == pytest.approx(without.concentration_N, rel=3e-3, abs=3e-3)


def test_features_and_votes_by_hand() -> None:
    f_F = features(np.array([[0.5, 0.25, 0.25]]), np.array([0.8]))[0]
    doubt = -(0.5 * np.log(0.5) + 0.5 * np.log(0.25)) / np.log(3)
    assert dict(zip(FEATURES, f_F, strict=True)) == pytest.approx(
        {"constant": 1.0, "doubt": doubt, "label_mass": 0.2}
    )
    assert answer_votes(np.array([1.0, 0.0, -5.0]), np.array([f_F])) == pytest.approx([1.0])


@pytest.mark.parametrize("has_components", [True, False])
@pytest.mark.parametrize("has_answers", [True, False])
@pytest.mark.parametrize("labels", [2, 5])
def test_gradient_matches_finite_differences(has_components: bool, has_answers: bool, labels: int) -> None:
    rng = np.random.default_rng(labels)
    n_NK = rng.integers(0, 3, (30, labels)) * rng.choice([1.0, 1.05], (30, 1))
    c_NK = rng.dirichlet(np.ones(labels), 30) if has_answers else None
    data = Votes.of(n_NK, rng.dirichlet(np.full(labels, 9.0)), c_NK, rng.random(30))
    start = DirichletMixture.single(labels, 2.0)
    if has_components:
        alpha_ZK = rng.gamma(2.0, size=(labels, labels))
        start = replace(start, log_weights_Z=np.zeros(labels), slope=float(has_answers), alpha_ZK=alpha_ZK)
    likelihood = MarginalLikelihood(data, start)
    at = likelihood.pack(start) + rng.normal(0, 0.3, likelihood.pack(start).shape)
    if has_components and not has_answers:
        slope = len(at) - labels**2 - 1
        at[slope] = 0.0  # there is nothing that the slope applies to
    numeric = approx_fprime(at, lambda x: likelihood.loss_and_gradient(x)[0], 1e-7)
    assert likelihood.loss_and_gradient(at)[1] == pytest.approx(numeric, abs=2e-5)
    again = likelihood.pack(likelihood.unpack(at))
    assert again == pytest.approx(at)


@pytest.mark.parametrize("beyond", [-30.0, 7.0])
def test_parameters_beyond_their_limits_have_no_gradient_of_the_likelihood(beyond: float) -> None:
    rng = np.random.default_rng(0)
    data = Votes.of(
        rng.integers(0, 3, (30, 3)).astype(float), np.full(3, 1 / 3), rng.dirichlet(np.ones(3), 30)
    )
    likelihood = MarginalLikelihood(data, peaked_mixture(data.prior_K))
    start = likelihood.pack(likelihood.start)
    for place in (0, -1, -5):  # votes of the prior, and of components
        at = start.copy()
        at[place] = beyond
        numeric = approx_fprime(at, lambda x: likelihood.loss_and_gradient(x)[0], 1e-7)
        assert likelihood.loss_and_gradient(at)[1] == pytest.approx(numeric, abs=2e-5)


def test_a_known_mixture_predicts_as_well_as_itself() -> None:
    rng = np.random.default_rng(3)
    true = DirichletMixture(
        np.log([0.5, 0.3, 0.2]),
        0.0,
        np.array([[9.0, 1, 0.5], [1, 3.0, 3.0], [0.3, 0.3, 6.0]]),
        1e-9,
        np.zeros(3),
    )

    def draw(rows: int) -> tuple[np.ndarray, np.ndarray]:
        kind_N = rng.choice(3, rows, p=[0.5, 0.3, 0.2])
        gamma_NK = rng.standard_gamma(true.alpha_ZK[kind_N])
        theta_NK = gamma_NK / gamma_NK.sum(1, keepdims=True)
        return theta_NK, rng.multinomial(4, theta_NK).astype(float)

    _, n_NK = draw(4000)
    theta_NK, known_NK = draw(4000)
    prior_K = n_NK.sum(0) / n_NK.sum()
    data = Votes.of(n_NK, prior_K, None)
    error = {}
    for name, mixture in {
        "truth": true,
        "mixture": fit_mixture(data, peaked_mixture(prior_K)),
        "single": fit_mixture(data, DirichletMixture.single(3, 2.0)),
    }.items():
        found = posterior(mixture, prior_K, known_NK)
        error[name] = ((found.mean_NK - theta_NK) ** 2).sum(1).mean()
        expected = found.variance_NK.sum(1).mean()
        assert name == "single" or expected == pytest.approx(error[name], rel=0.06)
    assert error["mixture"] < 1.02 * error["truth"] and error["single"] > 1.1 * error["truth"]
