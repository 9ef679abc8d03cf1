"""Calibration finds the temperature and biases that spoilt an ALM, and matches a second implementation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from ambivox.models.pooling.calibration import fit_calibration, identity


def _votes(p_NK: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(5, p_NK).astype(float)


def test_a_spoilt_alm_is_mended() -> None:
    p_NK = np.random.default_rng(1).dirichlet(np.ones(4), 5000)
    bias_K = np.array([0.5, -0.5, 0.2, -0.2])
    spoilt_NK = softmax((np.log(p_NK) - bias_K) * 2.0, axis=1)  # over-confident, and biased
    result = fit_calibration(_votes(p_NK), spoilt_NK, matrix=False)
    assert result.temperature == pytest.approx(2.0, rel=0.05)
    assert result.bias_K == pytest.approx(bias_K, abs=0.08)
    assert np.abs(result.apply(spoilt_NK) - p_NK).mean() < 0.02


def test_confusions_need_the_matrix() -> None:
    p_NK = np.random.default_rng(2).dirichlet(np.full(3, 0.5), 8000)
    swapped_NK = p_NK[:, [1, 0, 2]] + 1e-4  # it says the second where people hear the first
    swapped_NK /= swapped_NK.sum(1, keepdims=True)
    errors = [
        np.abs(fit_calibration(_votes(p_NK), swapped_NK, matrix=matrix).apply(swapped_NK) - p_NK).mean()
        for matrix in (False, True)
    ]
    assert errors[1] < 0.4 * errors[0]


def test_the_optimum_matches_logistic_regression() -> None:
    p_NK = np.random.default_rng(3).dirichlet(np.ones(3), 3000)
    n_NK = (
        np.random.default_rng(4).multinomial(1, p_NK**1.5 / (p_NK**1.5).sum(1, keepdims=True)).astype(float)
    )
    found_NK = fit_calibration(n_NK, p_NK).apply(p_NK)
    log_NK = np.log(p_NK) - np.log(p_NK).mean(1, keepdims=True)
    expected_NK = LogisticRegression(C=1e6, max_iter=5000).fit(log_NK, n_NK.argmax(1)).predict_proba(log_NK)
    assert np.abs(found_NK - expected_NK).mean() < 0.02  # theirs has no ridge


def test_an_alm_that_says_nothing_becomes_the_prior() -> None:
    rng = np.random.default_rng(5)
    prior_K = np.array([0.6, 0.3, 0.1])
    noise_NK = rng.dirichlet(np.ones(3), 5000)
    result = fit_calibration(_votes(np.tile(prior_K, (5000, 1))), noise_NK)
    assert result.temperature > 20
    assert result.apply(noise_NK).mean(0) == pytest.approx(prior_K, abs=0.02)
    assert result.apply(noise_NK).std(0).max() < 0.03


def test_degenerate_input_changes_nothing() -> None:
    q_NK = np.array([[0.2, 0.8]])
    assert fit_calibration(np.zeros((1, 2)), q_NK).apply(q_NK) == pytest.approx(q_NK, abs=1e-6)
    assert fit_calibration(np.ones((1, 2)), np.full((1, 2), np.nan)).slope == 1.0
    assert identity(1).apply(np.ones((2, 1))).tolist() == [[1.0], [1.0]]
    assert np.isfinite(fit_calibration(np.ones((2, 2)), np.eye(2)).apply(np.eye(2))).all()  # exact zeros
