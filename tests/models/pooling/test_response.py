"""The response: by hand, and its gradient by differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from ambivox.models.pooling.response import Criterion, ResponseLoss, fit_response, respond
from ambivox.models.statistics.metrics import jensen_shannon


def test_a_unit_response_changes_nothing_and_twice_the_logarithms_are_sharper() -> None:
    p_NK = np.array([[0.7, 0.2, 0.1]])
    assert respond(p_NK, np.eye(3), np.zeros(3)) == pytest.approx(p_NK, abs=1e-3)
    assert respond(p_NK, 2 * np.eye(3), np.zeros(3))[0, 0] > 0.85


@pytest.mark.parametrize("criterion", ["js", "balanced"])
@pytest.mark.parametrize("labels", [2, 5])
def test_gradient_matches_finite_differences(criterion: Criterion, labels: int) -> None:
    rng = np.random.default_rng(labels)
    mean_MK = rng.dirichlet(np.ones(labels), 40)
    target_MK = rng.multinomial(4, np.full(labels, 1 / labels), 40) / 4
    loss = ResponseLoss(mean_MK, target_MK, criterion, 40)
    at = np.concatenate([np.eye(labels).ravel(), np.zeros(labels)]) + rng.normal(
        0, 0.3, labels * (labels + 1)
    )
    numeric = approx_fprime(at, lambda x: loss.loss_and_gradient(x)[0], 1e-7)
    assert loss.loss_and_gradient(at)[1] == pytest.approx(numeric, abs=2e-5)


def test_the_fit_lowers_the_divergence_to_few_votes_by_sharpening() -> None:
    rng = np.random.default_rng(1)
    theta_MK = rng.dirichlet(np.ones(3), 3000)
    target_MK = rng.multinomial(4, theta_MK) / 4
    response_KK, bias_K = fit_response(theta_MK, target_MK, "js", 3000)
    sharper_MK = respond(theta_MK, response_KK, bias_K)
    before, after = (jensen_shannon(target_MK, p_MK).mean() for p_MK in (theta_MK, sharper_MK))
    assert after < before and np.diag(response_KK).mean() > 1.05


def test_balanced_gains_most_of_the_divergence_for_little_of_the_likelihood() -> None:
    rng = np.random.default_rng(2)
    theta_MK = rng.dirichlet(np.ones(3), 3000)
    target_MK = rng.multinomial(6, theta_MK) / 6
    p_MK_by = {
        criterion: respond(theta_MK, *fit_response(theta_MK, target_MK, criterion, 3000))
        for criterion in ("js", "balanced")
    } | {"truth": theta_MK}
    js = {name: jensen_shannon(target_MK, p_MK).mean() for name, p_MK in p_MK_by.items()}
    nll = {name: -(target_MK * np.log(p_MK)).sum(1).mean() for name, p_MK in p_MK_by.items()}
    assert js["js"] < js["balanced"] < js["truth"]
    assert js["truth"] - js["balanced"] > 0.4 * (js["truth"] - js["js"])
    assert nll["balanced"] - nll["truth"] < 0.2 * (nll["js"] - nll["truth"])
