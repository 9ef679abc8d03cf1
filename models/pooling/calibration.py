"""Calibration of an ALM's distributions to human votes: temperature, a bias per label, a shrunk confusion
matrix.

``q~ = softmax(log q / T + b + M log q)``, M with a zero diagonal: with M = 0 this is temperature scaling
with a bias (Guo et al. 2017, "vector scaling" with one slope), with M free it is Dirichlet calibration
(Kull et al. 2019). The parameters maximise the multinomial likelihood of the training speakers' votes, a
concave problem, less ridge penalties that draw M (strongly), b (weakly) and log T (hardly) to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

FLOOR = 1e-6  # of a probability before its logarithm is taken
# Penalties in votes: so many votes' worth of evidence weigh as much as a parameter of size 1 costs.
_RIDGE_SLOPE, _RIDGE_BIAS, _RIDGE_MATRIX = 1.0, 1.0, 50.0


@dataclass(frozen=True)
class Calibration:
    """``slope`` is 1 / T, at least 0; ``matrix_KK`` has a zero diagonal."""

    slope: float
    bias_K: np.ndarray
    matrix_KK: np.ndarray

    @property
    def temperature(self) -> float:
        """T; infinite for an ALM whose answers say nothing."""
        return 1 / self.slope if self.slope > 1e-6 else float("inf")

    def apply(self, q_NK: np.ndarray) -> np.ndarray:
        """``q~_NK``; rows of nan stay nan."""
        log_NK = _log(q_NK)
        logits_NK = self.slope * log_NK + self.bias_K + log_NK @ self.matrix_KK.T
        return np.exp(log_softmax(logits_NK, axis=1))


def identity(labels: int) -> Calibration:
    """The calibration that changes nothing."""
    return Calibration(1.0, np.zeros(labels), np.zeros((labels, labels)))


def fit_calibration(n_NK: np.ndarray, q_NK: np.ndarray, *, matrix: bool = True) -> Calibration:
    """Fit to votes ``n_NK`` an ALM's distributions ``q_NK``.

    Rows without votes or with nan are left out; with none left the calibration changes nothing.

    Args:
        n_NK: human votes per utterance and label.
        q_NK: the ALM's distributions of the same utterances.
        matrix: whether the confusion matrix M is fitted too.
    """
    used_N = (n_NK.sum(1) > 0) & np.isfinite(q_NK).all(1)
    n_NK, log_NK = n_NK[used_N], _log(q_NK[used_N])
    labels = n_NK.shape[1]
    if not len(n_NK) or labels == 1:
        return identity(labels)
    votes_N, total = n_NK.sum(1, keepdims=True), n_NK.sum()
    off_KK = (1 - np.eye(labels)) * matrix
    ridge_matrix = _RIDGE_MATRIX * (labels / 6) ** 2  # a parameter per pair of labels

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, bias_K, matrix_KK = _unpack(parameters, labels)
        matrix_KK = matrix_KK * off_KK
        log_p_NK = log_softmax(slope * log_NK + bias_K + log_NK @ matrix_KK.T, axis=1)
        error_NK = votes_N * np.exp(log_p_NK) - n_NK  # gradient of the loss by the logits
        penalty = _RIDGE_SLOPE * (slope - 1) ** 2 + _RIDGE_BIAS * (bias_K**2).sum()
        penalty += ridge_matrix * (matrix_KK**2).sum()
        gradient = np.concatenate(
            [
                [(error_NK * log_NK).sum() + _RIDGE_SLOPE * (slope - 1)],
                error_NK.sum(0) + _RIDGE_BIAS * bias_K,
                ((error_NK.T @ log_NK + ridge_matrix * matrix_KK) * off_KK).ravel(),
            ]
        )
        return float(-(n_NK * log_p_NK).sum() + penalty / 2) / total, gradient / total

    start = np.concatenate([[1.0], np.zeros(labels + labels**2)])
    bounds = [(0.0, None)] + [(None, None)] * (labels + labels**2)
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    slope, bias_K, matrix_KK = _unpack(found.x, labels)
    return Calibration(slope, bias_K - bias_K.mean(), matrix_KK * off_KK)


def _log(q_NK: np.ndarray) -> np.ndarray:
    """Logarithms, centred in every row so that the bias is not mixed up with the slope."""
    log_NK = np.log(np.maximum(q_NK, FLOOR))
    return log_NK - log_NK.mean(1, keepdims=True)


def _unpack(parameters: np.ndarray, labels: int) -> tuple[float, np.ndarray, np.ndarray]:
    return float(parameters[0]), parameters[1 : labels + 1], parameters[labels + 1 :].reshape(labels, labels)
