"""The loss that the fit of the pooling model minimises, with its analytic gradient.

For M rows of known votes n, target distribution h and weight s (weights sum to 1):

    p = (n + sum_c kappa_c q_c) / (N + sum_c kappa_c),  log kappa_c = w_c . f_c,  p' = softmax(G log p + c)
    loss = sum_m s_m l(h_m, p'_m) + penalties,  l = JS (base 2), or - sum_k h_k log p_k with p' = p

The C components are the corpus prior, which always answers, and the ALMs.
The penalties shrink the features' weights to 0, G to a multiple of the unit matrix, and c to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ambivox.models.pooling.pooled import (
    LOG_KAPPA_LIMIT,
    RESPONSE_FLOOR,
    Criterion,
    equivalent_votes_from_features,
    posterior_mean,
    respond,
)

START_VOTES = 2.0  # of every component
# Penalties on the mean loss: weights of the features, weight of the constant, matrix and bias of the response.
# They were chosen for 1200 utterances and 6 labels, by cross-validation on CREMA-D's training speakers. All are
# scaled up for fewer utterances, and those of the response, which has a parameter per pair of labels, for more
# labels.
_RIDGE_UTTERANCES, _RIDGE_LABELS = 1200, 6
_RIDGE_FEATURE, _RIDGE_CONSTANT, _RIDGE_MATRIX, _RIDGE_BIAS = 1e-4, 1e-6, 1e-3, 1e-3
# "balanced": penalty on the squared distance of the mean distribution from the mean of the votes.
_MARGINAL: dict[Criterion, float] = {"js": 0.0, "balanced": 10.0, "likelihood": 0.0}


@dataclass(frozen=True)
class PoolingLoss:
    """The data of the fit, constant during the optimisation.

    Attributes:
        known_MK: known votes n.
        target_MK: target distributions h.
        weight_M: weights s of the rows, summing to 1.
        q_MCK: the components' distributions; 0 where an ALM did not answer.
        answered_MC: 1 where a component answered, else 0.
        f_MCF: features of the components' votes.
        criterion: "js", "balanced" or "likelihood".
        utterances: number of utterances; M is larger where an utterance has more than one row.
    """

    known_MK: np.ndarray
    target_MK: np.ndarray
    weight_M: np.ndarray
    q_MCK: np.ndarray
    answered_MC: np.ndarray
    f_MCF: np.ndarray
    criterion: Criterion
    utterances: int

    def pack(self, weights_CF: np.ndarray, response_KK: np.ndarray, bias_K: np.ndarray) -> np.ndarray:
        """All parameters as one vector.

        Args:
            weights_CF: w.
            response_KK: G.
            bias_K: c.
        """
        return np.concatenate([weights_CF.ravel(), response_KK.ravel(), bias_K])

    def unpack(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The inverse of ``pack``.

        Args:
            parameters: a vector of parameters.

        Returns:
            ``(w_CF, g_KK, c_K)``.
        """
        _, components, width = self.f_MCF.shape
        labels = self.known_MK.shape[1]
        end_w, end_g = components * width, components * width + labels**2
        w_CF, g_KK = (
            parameters[:end_w].reshape(components, width),
            parameters[end_w:end_g].reshape(labels, labels),
        )
        return w_CF, g_KK, parameters[end_g:]

    def loss_and_gradient(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its gradient.

        Args:
            parameters: a vector of parameters.

        Returns:
            The loss, and its derivative with respect to every parameter (0 for the response where the
            criterion has none).
        """
        w_CF, g_KK, c_K = self.unpack(parameters)
        has_response = self.criterion != "likelihood"
        kappas = [equivalent_votes_from_features(w_F, self.f_MCF[:, c]) for c, w_F in enumerate(w_CF)]
        kappa_MC = np.stack(kappas, axis=1) * self.answered_MC
        votes_M = self.known_MK.sum(1) + kappa_MC.sum(1)
        mean_MK = posterior_mean(self.known_MK, self.q_MCK, kappa_MC)
        p_MK = respond(mean_MK, g_KK, c_K) if has_response else mean_MK
        loss_M, d_p_MK = divergence(self.target_MK, p_MK, self.criterion)
        # The response sharpens, which favours the most frequent label; "balanced" keeps the mean distribution.
        shift_K = self.weight_M @ (p_MK - self.target_MK)
        d_p_MK = (d_p_MK + 2 * _MARGINAL[self.criterion] * shift_K) * self.weight_M[:, None]
        d_g_KK, d_c_K, d_mean_MK = np.zeros_like(g_KK), np.zeros_like(c_K), d_p_MK
        if has_response:
            d_logit_MK = p_MK * (d_p_MK - (d_p_MK * p_MK).sum(1, keepdims=True))
            d_g_KK, d_c_K = d_logit_MK.T @ np.log(mean_MK + RESPONSE_FLOOR), d_logit_MK.sum(0)
            d_mean_MK = (d_logit_MK @ g_KK) / (mean_MK + RESPONSE_FLOOR)
        d_kappa_MC = (d_mean_MK[:, None] * (self.q_MCK - mean_MK[:, None])).sum(2) / votes_M[:, None]
        log_kappa_MC = np.einsum("mcf,cf->mc", self.f_MCF, w_CF)
        d_log_kappa_MC = d_kappa_MC * kappa_MC * (np.abs(log_kappa_MC) < LOG_KAPPA_LIMIT)
        d_w_CF = np.einsum("mc,mcf->cf", d_log_kappa_MC, self.f_MCF)
        loss = float((self.weight_M * loss_M).sum() + _MARGINAL[self.criterion] * (shift_K**2).sum())
        scarcity = _RIDGE_UTTERANCES / max(self.utterances, 1)
        penalty, d_penalty = _penalty(w_CF, g_KK, c_K, has_response, scarcity)
        return loss + penalty, self.pack(d_w_CF, d_g_KK, d_c_K) + d_penalty


def divergence(
    target_MK: np.ndarray, p_MK: np.ndarray, criterion: Criterion
) -> tuple[np.ndarray, np.ndarray]:
    """The loss of every row: Jensen-Shannon (base 2), or the negative log-likelihood (nats).

    Args:
        target_MK: target distributions.
        p_MK: predicted distributions; floored at 1e-12.
        criterion: "likelihood" selects the log-likelihood.

    Returns:
        ``(loss_M, d_p_MK)``: the loss and its derivative with respect to ``p_MK``.

    Examples:
        >>> divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), "js")[0].round(6).tolist()
        [1.0]
    """
    p_MK = np.maximum(p_MK, 1e-12)
    if criterion == "likelihood":
        return -(target_MK * np.log(p_MK)).sum(1), -target_MK / p_MK
    m_MK = (p_MK + target_MK) / 2
    log_p_MK = np.log2(p_MK / m_MK)
    log_target_MK = np.log2(np.where(target_MK > 0, target_MK / m_MK, 1.0))
    return 0.5 * (p_MK * log_p_MK + target_MK * log_target_MK).sum(1), 0.5 * log_p_MK


def _penalty(
    w_CF: np.ndarray, g_KK: np.ndarray, c_K: np.ndarray, has_response: bool, scarcity: float
) -> tuple[float, np.ndarray]:
    """Ridge penalties and their derivatives with respect to all parameters."""
    target_CF = np.zeros_like(w_CF)
    target_CF[:, 0] = np.log(START_VOTES)
    ridge_F = np.full(w_CF.shape[1], _RIDGE_FEATURE * scarcity)
    ridge_F[0] = _RIDGE_CONSTANT * scarcity
    per_pair = scarcity * (len(c_K) / _RIDGE_LABELS) ** 2
    ridge_matrix, ridge_bias = _RIDGE_MATRIX * per_pair, _RIDGE_BIAS * per_pair
    deviation_KK = (g_KK - np.eye(len(c_K)) * np.diag(g_KK).mean()) * has_response
    deviation_CF, c_K = w_CF - target_CF, c_K * has_response
    penalty = (ridge_F * deviation_CF**2).sum() + ridge_matrix * (deviation_KK**2).sum()
    penalty += ridge_bias * (c_K**2).sum()
    gradients = [
        (2 * ridge_F * deviation_CF).ravel(),
        (2 * ridge_matrix * deviation_KK).ravel(),
        2 * ridge_bias * c_K,
    ]
    return float(penalty), np.concatenate(gradients)
