"""Rising factorials against Gamma functions, for whole, fractional, large and missing counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import digamma, gammaln

from ambivox.models.statistics.rising_factorial import RisingFactorial


@pytest.mark.parametrize("least", [1e-9, 1e-3, 0.5, 400.0])
def test_logarithms_and_derivatives_are_those_of_gamma_functions(least: float) -> None:
    rng = np.random.default_rng(0)
    count_M = rng.permutation(np.concatenate([np.arange(40.0), np.full(5, 3.0), [0.5, 1.05, 31.5, 1000.0]]))
    a_MZ = least * (1 + rng.random((len(count_M), 3)))
    log_MZ, d_MZ = RisingFactorial(count_M).log_and_derivative(a_MZ)
    n_M1 = count_M[:, None]
    assert log_MZ == pytest.approx(gammaln(a_MZ + n_M1) - gammaln(a_MZ), rel=1e-9, abs=1e-10)
    assert d_MZ == pytest.approx(digamma(a_MZ + n_M1) - digamma(a_MZ), rel=1e-9, abs=1e-10)
    assert RisingFactorial(count_M).log(a_MZ).tolist() == log_MZ.tolist()


def test_the_largest_parameters_do_not_overflow() -> None:
    counts, a_MZ = RisingFactorial(np.array([32.0, 33.0])), np.full((2, 1), 1e9)
    assert counts.log(a_MZ)[:, 0] == pytest.approx(np.array([32, 33]) * np.log(1e9), rel=1e-6)


def test_no_counts() -> None:
    assert RisingFactorial(np.zeros(0)).log(np.zeros((0, 4))).shape == (0, 4)
