"""The response: a posterior mean made as close as possible to further human votes, by Jensen-Shannon divergence.

The posterior mean is not the estimate closest to further votes: its uncertainty flattens it, most where the votes agree.
The response ``p' = softmax(G log p + c)``, G close to the unit matrix, corrects that where the criterion is "js" or
"balanced". The likelihood needs none. For M rows of target distributions h, the fit minimises

    mean_m (JS(h_m, p'_m) + w nll(h_m, p'_m)) + penalties

which shrink G to a multiple of the unit matrix and c to 0. JS is in bits, nll in nats per vote. w is 0 for "js", which
over-sharpens, and 1 for "balanced": near the best likelihood, JS changes much and the likelihood little, so that most of what
"js" gains costs little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

Criterion = Literal["likelihood", "js", "balanced"]
CRITERIA: tuple[Criterion, ...] = ("likelihood", "js", "balanced")
_LEAST = 1e-12  # of a probability before its logarithm is taken in a loss
RESPONSE_FLOOR = 1e-4  # added to a probability before its logarithm is taken in the response
# Penalties on the mean loss, chosen for 1200 utterances and 6 labels by cross-validation on CREMA-D's training speakers.
# They are scaled up for fewer utterances, and for more labels, as there is a parameter per pair of labels.
_RIDGE_UTTERANCES, _RIDGE_LABELS = 1200, 6
_RIDGE_MATRIX, _RIDGE_BIAS = 1e-3, 1e-3
_NLL_WEIGHT: dict[Criterion, float] = {"js": 0.0, "balanced": 1.0}


def respond(p_NK: np.ndarray, response_KK: np.ndarray, bias_K: np.ndarray) -> np.ndarray:
    """The response, ``softmax(G log p + c)``.

    Args:
        p_NK: posterior means.
        response_KK: G.
        bias_K: c.

    Examples:
        >>> respond(np.array([[0.8, 0.2]]), 2 * np.eye(2), np.zeros(2)).round(3).tolist()  # 0.64 to 0.04
        [[0.941, 0.059]]
    """
    return softmax(np.log(p_NK + RESPONSE_FLOOR) @ response_KK.T + bias_K, axis=1)


def fit_response(
    mean_MK: np.ndarray, target_MK: np.ndarray, criterion: Criterion, utterances: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the response.

    Args:
        mean_MK: posterior means.
        target_MK: shares of further votes.
        criterion: "js" or "balanced".
        utterances: number of utterances; M is larger where an utterance has more than one row.

    Returns:
        ``(response_KK, bias_K)``.
    """
    loss = ResponseLoss(mean_MK, target_MK, criterion, utterances)
    labels = mean_MK.shape[1]
    start = np.concatenate([np.eye(labels).ravel(), np.zeros(labels)])
    result = minimize(
        loss.loss_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "maxfun": 700}
    )
    return result.x[:-labels].reshape(labels, labels), result.x[-labels:]


@dataclass(frozen=True)
class ResponseLoss:
    """The data of the fit, constant during the optimisation.

    Attributes:
        mean_MK: posterior means.
        target_MK: target distributions h.
        criterion: "js" or "balanced".
        utterances: number of utterances.
    """

    mean_MK: np.ndarray
    target_MK: np.ndarray
    criterion: Criterion
    utterances: int

    def loss_and_gradient(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its gradient.

        Args:
            parameters: G and c as one vector.
        """
        rows, labels = self.mean_MK.shape
        g_KK, c_K = parameters[:-labels].reshape(labels, labels), parameters[-labels:]
        p_MK = respond(self.mean_MK, g_KK, c_K)
        loss_M, d_p_MK = divergence(self.target_MK, p_MK)
        nll_weight = _NLL_WEIGHT[self.criterion]
        loss_M = loss_M - nll_weight * (self.target_MK * np.log(np.maximum(p_MK, _LEAST))).sum(1)
        d_p_MK = (d_p_MK - nll_weight * self.target_MK / np.maximum(p_MK, _LEAST)) / rows
        d_logit_MK = p_MK * (d_p_MK - (d_p_MK * p_MK).sum(1, keepdims=True))
        d_g_KK, d_c_K = d_logit_MK.T @ np.log(self.mean_MK + RESPONSE_FLOOR), d_logit_MK.sum(0)
        loss = loss_M.mean()
        scale = _RIDGE_UTTERANCES / max(self.utterances, 1) * (labels / _RIDGE_LABELS) ** 2
        deviation_KK = g_KK - np.eye(labels) * np.diag(g_KK).mean()
        loss += scale * (_RIDGE_MATRIX * (deviation_KK**2).sum() + _RIDGE_BIAS * (c_K**2).sum())
        d_g_KK = d_g_KK + 2 * scale * _RIDGE_MATRIX * deviation_KK
        d_c_K = d_c_K + 2 * scale * _RIDGE_BIAS * c_K
        return float(loss), np.concatenate([d_g_KK.ravel(), d_c_K])


def divergence(target_MK: np.ndarray, p_MK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Jensen-Shannon divergence (base 2) of every row, with its derivative.

    Args:
        target_MK: target distributions.
        p_MK: predicted distributions; floored at 1e-12.

    Returns:
        ``(loss_M, d_p_MK)``: the loss and its derivative with respect to ``p_MK``.

    Examples:
        >>> divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))[0].round(6).tolist()
        [1.0]
    """
    p_MK = np.maximum(p_MK, _LEAST)
    m_MK = (p_MK + target_MK) / 2
    log_p_MK = np.log2(p_MK / m_MK)
    log_target_MK = np.log2(np.where(target_MK > 0, target_MK / m_MK, 1.0))
    return 0.5 * (p_MK * log_p_MK + target_MK * log_target_MK).sum(1), 0.5 * log_p_MK
