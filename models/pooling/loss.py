"""The loss that the pooling model minimises, and its gradient, written out.

For M rows of known votes n, target distribution h and weight s (weights sum to 1):

    p = (n + sum_a kappa_a q_a) / (N + sum_a kappa_a),  log kappa_a = w_a . f_a,  p' = softmax(G log p + c)
    loss = sum_m s_m l(h_m, p'_m) + penalties,  l = JS (base 2), or - sum_k h_k log p_k with p' = p

The penalties draw the features' weights to 0, G to a multiple of the unit matrix, and c to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.pooling.pooled import RESPONSE_FLOOR, Criterion, kappa, posterior_mean, respond

START_LOG_KAPPA = float(np.log(2.0))
# Penalties on the mean loss: features of kappa, its constant, the response's matrix and its bias. They suit
# 1200 utterances and 6 labels (found by cross-validation on CREMA-D's training speakers); with fewer utterances
# all weigh more, and with more labels the response does, whose matrix has a parameter per pair of labels.
_RIDGE_UTTERANCES, _RIDGE_LABELS = 1200, 6
_RIDGE_FEATURE, _RIDGE_CONSTANT, _RIDGE_MATRIX, _RIDGE_BIAS = 1e-4, 1e-6, 1e-3, 1e-3
# "balanced": penalty on the squared distance of the mean distribution from the mean of the votes.
_MARGINAL: dict[Criterion, float] = {"js": 0.0, "balanced": 10.0, "likelihood": 0.0}


@dataclass(frozen=True)
class Problem:
    """Everything that stays the same while the parameters are sought."""

    in_MK: np.ndarray  # known votes
    h_MK: np.ndarray  # target distributions
    share_M: np.ndarray  # weights of the rows, summing to 1
    q_MAK: np.ndarray  # calibrated distributions, 0 where an ALM did not answer
    there_MA: np.ndarray  # 1 where it did
    f_MAF: np.ndarray
    criterion: Criterion
    utterances: int  # behind the rows, of which there may be several for each

    def pack(self, weights_AF: np.ndarray, response_KK: np.ndarray, bias_K: np.ndarray) -> np.ndarray:
        """All parameters in one vector."""
        return np.concatenate([weights_AF.ravel(), response_KK.ravel(), bias_K])

    def unpack(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights of kappa ``w_AF``, the response's ``g_KK`` and ``c_K``."""
        _, alms, width = self.f_MAF.shape
        labels = self.in_MK.shape[1]
        first, second = alms * width, alms * width + labels**2
        w_AF, g_KK = parameters[:first].reshape(alms, width), parameters[first:second].reshape(labels, labels)
        return w_AF, g_KK, parameters[second:]

    def loss_and_gradient(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its derivative by every parameter (0 by the response, where there is none)."""
        w_AF, g_KK, c_K = self.unpack(parameters)
        responding = self.criterion != "likelihood"
        kappas = [kappa(w_F, self.f_MAF[:, a]) for a, w_F in enumerate(w_AF)]
        kappa_MA = np.stack(kappas, axis=1) * self.there_MA
        weight_M = self.in_MK.sum(1) + kappa_MA.sum(1)
        p_MK = posterior_mean(self.in_MK, self.q_MAK, kappa_MA)
        answer_MK = respond(p_MK, g_KK, c_K) if responding else p_MK
        loss_M, by_answer_MK = divergence(self.h_MK, answer_MK, self.criterion)
        # The response sharpens, which feeds the commonest label; "balanced" keeps the mean distribution.
        shift_K = self.share_M @ (answer_MK - self.h_MK)
        by_answer_MK = (by_answer_MK + 2 * _MARGINAL[self.criterion] * shift_K) * self.share_M[:, None]
        by_g_KK, by_c_K, by_p_MK = np.zeros_like(g_KK), np.zeros_like(c_K), by_answer_MK
        if responding:
            by_logit_MK = answer_MK * (by_answer_MK - (by_answer_MK * answer_MK).sum(1, keepdims=True))
            by_g_KK, by_c_K = by_logit_MK.T @ np.log(p_MK + RESPONSE_FLOOR), by_logit_MK.sum(0)
            by_p_MK = (by_logit_MK @ g_KK) / (p_MK + RESPONSE_FLOOR)
        by_kappa_MA = (by_p_MK[:, None] * (self.q_MAK - p_MK[:, None])).sum(2) / weight_M[:, None]
        by_w_AF = np.einsum("ma,maf->af", by_kappa_MA * kappa_MA, self.f_MAF)
        loss = float((self.share_M * loss_M).sum() + _MARGINAL[self.criterion] * (shift_K**2).sum())
        scarcity = _RIDGE_UTTERANCES / max(self.utterances, 1)
        penalty, by_parameters = _penalty(w_AF, g_KK, c_K, responding, scarcity)
        return loss + penalty, self.pack(by_w_AF, by_g_KK, by_c_K) + by_parameters


def divergence(h_MK: np.ndarray, p_MK: np.ndarray, criterion: Criterion) -> tuple[np.ndarray, np.ndarray]:
    """The loss of every row and its derivative by p: Jensen-Shannon (base 2), or minus log-likelihood (nats)."""
    p_MK = np.maximum(p_MK, 1e-12)
    if criterion == "likelihood":
        return -(h_MK * np.log(p_MK)).sum(1), -h_MK / p_MK
    m_MK = (p_MK + h_MK) / 2
    ratio_MK = np.log2(p_MK / m_MK)
    ratio_h_MK = np.log2(np.where(h_MK > 0, h_MK / m_MK, 1.0))
    return 0.5 * (p_MK * ratio_MK + h_MK * ratio_h_MK).sum(1), 0.5 * ratio_MK


def _penalty(
    w_AF: np.ndarray, g_KK: np.ndarray, c_K: np.ndarray, responding: bool, scarcity: float
) -> tuple[float, np.ndarray]:
    """Ridge penalties and their derivative by all parameters."""
    target_AF = np.zeros_like(w_AF)
    target_AF[:, 0] = START_LOG_KAPPA
    ridge_F = np.full(w_AF.shape[1], _RIDGE_FEATURE * scarcity)
    ridge_F[0] = _RIDGE_CONSTANT * scarcity
    per_pair = scarcity * (len(c_K) / _RIDGE_LABELS) ** 2
    ridge_matrix, ridge_bias = _RIDGE_MATRIX * per_pair, _RIDGE_BIAS * per_pair
    off_KK = (g_KK - np.eye(len(c_K)) * np.diag(g_KK).mean()) * responding
    away_AF, c_K = w_AF - target_AF, c_K * responding
    penalty = (ridge_F * away_AF**2).sum() + ridge_matrix * (off_KK**2).sum() + ridge_bias * (c_K**2).sum()
    gradients = [(2 * ridge_F * away_AF).ravel(), (2 * ridge_matrix * off_KK).ravel(), 2 * ridge_bias * c_K]
    return float(penalty), np.concatenate(gradients)
