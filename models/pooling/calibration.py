"""Calibration of an ALM's distributions to human votes: temperature, bias per label, shrunk confusion matrix.

``q~ = softmax(log q / T + b + M log q)``, M with a zero diagonal: with M = 0 this is temperature scaling
with a bias (Guo et al. 2017, "vector scaling" with one slope); with M free it is Dirichlet calibration
(Kull et al. 2019). The parameters maximise the multinomial likelihood of the training speakers' votes, a
concave function, minus ridge penalties that shrink M (strongly), b (weakly) and 1 / T - 1 (weakly) to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

FLOOR = 1e-6  # of a probability before its logarithm is taken
# Weights of the penalties, on the scale of the log-likelihood of all votes (nats).
_RIDGE_SLOPE, _RIDGE_BIAS, RIDGE_MATRIX = 1.0, 1.0, 50.0


@dataclass(frozen=True)
class Calibration:
    """Parameters of the calibration of one ALM.

    Attributes:
        slope: 1 / T, at least 0.
        bias_K: b, with mean 0.
        matrix_KK: M, with a zero diagonal.
    """

    slope: float
    bias_K: np.ndarray
    matrix_KK: np.ndarray

    @property
    def temperature(self) -> float:
        """T; infinite for an ALM whose answers carry no information about the votes."""
        return 1 / self.slope if self.slope > 1e-6 else float("inf")

    def apply(self, q_NK: np.ndarray) -> np.ndarray:
        """The calibrated distributions.

        Args:
            q_NK: the ALM's distributions; rows of nan stay nan.

        Returns:
            ``q~_NK``.
        """
        log_NK = _log(q_NK)
        logits_NK = self.slope * log_NK + self.bias_K + log_NK @ self.matrix_KK.T
        return np.exp(log_softmax(logits_NK, axis=1))


def identity(labels: int) -> Calibration:
    """The calibration that changes nothing.

    Args:
        labels: K.

    Examples:
        >>> identity(2).apply(np.array([[0.25, 0.75]])).round(6).tolist()
        [[0.25, 0.75]]
    """
    return Calibration(1.0, np.zeros(labels), np.zeros((labels, labels)))


def fit_calibration(
    n_NK: np.ndarray, q_NK: np.ndarray, *, matrix: bool = True, ridge_matrix: float = RIDGE_MATRIX
) -> Calibration:
    """Fit the calibration of an ALM to human votes.

    Args:
        n_NK: human votes per utterance and label.
        q_NK: the ALM's distributions of the same utterances.
        matrix: whether the confusion matrix M is fitted; otherwise it is 0.
        ridge_matrix: weight of the penalty on M with six labels; models/pooling/informative.py chooses it.

    Returns:
        The calibration. Rows without votes or with nan are left out; the identity where none remain.

    Examples:
        >>> n_NK, q_NK = np.array([[60.0, 40.0], [40.0, 60.0]]), np.array([[0.9, 0.1], [0.1, 0.9]])
        >>> fit_calibration(n_NK, q_NK, matrix=False).temperature > 1  # the ALM is too confident
        True
    """
    usable_N = (n_NK.sum(1) > 0) & np.isfinite(q_NK).all(1)
    n_NK, log_NK = n_NK[usable_N], _log(q_NK[usable_N])
    labels = n_NK.shape[1]
    if not len(n_NK) or labels == 1:
        return identity(labels)
    votes_N, total = n_NK.sum(1, keepdims=True), n_NK.sum()
    off_diagonal_KK = (1 - np.eye(labels)) * matrix
    ridge_matrix = ridge_matrix * (labels / 6) ** 2  # a parameter per pair of labels

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, bias_K, matrix_KK = _unpack(parameters, labels)
        matrix_KK = matrix_KK * off_diagonal_KK
        log_p_NK = log_softmax(slope * log_NK + bias_K + log_NK @ matrix_KK.T, axis=1)
        error_NK = votes_N * np.exp(log_p_NK) - n_NK  # gradient of the loss with respect to the logits
        penalty = _RIDGE_SLOPE * (slope - 1) ** 2 + _RIDGE_BIAS * (bias_K**2).sum()
        penalty += ridge_matrix * (matrix_KK**2).sum()
        gradient = np.concatenate(
            [
                [(error_NK * log_NK).sum() + _RIDGE_SLOPE * (slope - 1)],
                error_NK.sum(0) + _RIDGE_BIAS * bias_K,
                ((error_NK.T @ log_NK + ridge_matrix * matrix_KK) * off_diagonal_KK).ravel(),
            ]
        )
        return float(-(n_NK * log_p_NK).sum() + penalty / 2) / total, gradient / total

    start = np.concatenate([[1.0], np.zeros(labels + labels**2)])
    bounds = [(0.0, None)] + [(None, None)] * (labels + labels**2)
    result = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    slope, bias_K, matrix_KK = _unpack(result.x, labels)
    return Calibration(slope, bias_K - bias_K.mean(), matrix_KK * off_diagonal_KK)


def _log(q_NK: np.ndarray) -> np.ndarray:
    """Logarithms, centred in every row so that slope and bias are not confounded."""
    log_NK = np.log(np.maximum(q_NK, FLOOR))
    return log_NK - log_NK.mean(1, keepdims=True)


def _unpack(parameters: np.ndarray, labels: int) -> tuple[float, np.ndarray, np.ndarray]:
    return float(parameters[0]), parameters[1 : labels + 1], parameters[labels + 1 :].reshape(labels, labels)
