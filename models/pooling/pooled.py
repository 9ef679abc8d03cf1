"""Pooling: a few human votes, the corpus prior and ALMs' distributions become one distribution per utterance.

    p = (n + kappa_0 prior + sum_a kappa_a q~_a) / (N + kappa_0 + sum_a kappa_a)

n are the N human votes, q~_a is the calibrated distribution of ALM a, and kappa_a > 0 its *equivalent votes* on
this utterance: ``log kappa_a = w_a . f`` with features f of the utterance's votes and of q~_a; kappa_0, the *prior
votes*, likewise with the corpus prior in place of q~. This is the posterior mean under a Dirichlet prior with the
parameters ``kappa_0 prior + sum_a kappa_a q~_a``. Where no ALM contributes, kappa_0 has weights of its own, fitted
without ALMs: pooled is then humans + prior, never the raw n / N, and the prior itself where there are no votes.

The posterior mean is not the estimate closest to further human votes: its uncertainty flattens it, most where
the votes agree. The *response* ``p' = softmax(G log p + c)``, G close to the unit matrix, corrects that where the
fit minimises the Jensen-Shannon divergence. Where the fit maximises the likelihood, p' = p.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from scipy.special import softmax

from ambivox.models.pooling.calibration import Calibration

Criterion = Literal["likelihood", "js", "balanced"]
CRITERIA: tuple[Criterion, ...] = ("likelihood", "js", "balanced")
FEATURES = ("constant", "agreement", "mass_on_top", "doubt", "agreement_x_mass", "label_mass")
RESPONSE_FLOOR = 1e-4  # added to a probability before its logarithm is taken in the response
LOG_KAPPA_LIMIT = 6.0


@dataclass(frozen=True)
class AlmModel:
    """The fitted parameters of one ALM.

    Attributes:
        alm: its name.
        calibration: from its distributions to human votes.
        weights_F: of the features, for the logarithm of its equivalent votes.
        is_informative: whether it predicts unseen speakers' votes better than the corpus prior does; if not,
            it has 0 equivalent votes.
    """

    alm: str
    calibration: Calibration
    weights_F: np.ndarray
    is_informative: bool


@dataclass(frozen=True)
class PriorWeights:
    """Weights of the features for the logarithm of the prior votes kappa_0.

    Attributes:
        alone_F: where no ALM contributes.
        beside_F: where one does.
    """

    alone_F: np.ndarray
    beside_F: np.ndarray

    @classmethod
    def constant(cls, votes: float) -> PriorWeights:
        """The same prior votes everywhere.

        Args:
            votes: kappa_0, above 0.
        """
        weights_F = np.zeros(len(FEATURES))
        weights_F[0] = np.log(votes)
        return cls(weights_F, weights_F)


@dataclass(frozen=True)
class PoolingModel:
    """A fitted pooling model.

    Attributes:
        labels: K names.
        prior_K: the corpus prior.
        prior_weights: how many votes it counts for.
        alms: the ALMs' parameters.
        response_KK: G of the response.
        response_bias_K: c of the response.
        criterion: what the fit optimised.
        fitted_on: numbers of utterances, votes and speakers of the fit, and its target.
    """

    labels: tuple[str, ...]
    prior_K: np.ndarray
    prior_weights: PriorWeights
    alms: tuple[AlmModel, ...]
    response_KK: np.ndarray
    response_bias_K: np.ndarray
    criterion: Criterion
    fitted_on: dict[str, Any]

    def without_alms(self) -> PoolingModel:
        """The model of humans + prior: the baseline that shows what the ALMs add."""
        return replace(self, alms=())

    @property
    def has_response(self) -> bool:
        """Whether the response changes anything."""
        is_unit = np.array_equal(self.response_KK, np.eye(len(self.labels)))
        return not (is_unit and not self.response_bias_K.any())


@dataclass(frozen=True)
class Pooled:
    """Pooled distributions of N utterances, and their ingredients.

    Attributes:
        p_NK: the pooled distributions.
        kappa_NA: equivalent votes; 0 where an ALM did not answer or is not informative.
        prior_votes_N: kappa_0.
        weight_N: N + kappa_0 + sum of kappa_NA: the concentration of the Dirichlet posterior.
        calibrated_NAK: calibrated distributions; nan where an ALM did not answer.
        posterior_mean_NK: the distributions before the response.
        from_alm_N: no human votes, but an ALM's answers.
        from_prior_N: neither human votes nor answers.
    """

    p_NK: np.ndarray
    kappa_NA: np.ndarray
    prior_votes_N: np.ndarray
    weight_N: np.ndarray
    calibrated_NAK: np.ndarray
    posterior_mean_NK: np.ndarray
    from_alm_N: np.ndarray
    from_prior_N: np.ndarray


def pool_blocks(
    model: PoolingModel,
    n_NK: np.ndarray,
    q_NAK: np.ndarray,
    label_mass_NA: np.ndarray | None = None,
    *,
    block: int = 250_000,
) -> Pooled:
    """As ``pool``, in blocks of utterances, so that intermediate arrays need the memory of one block only.

    Args:
        model: the fitted model.
        n_NK: see ``pool``.
        q_NAK: see ``pool``.
        label_mass_NA: see ``pool``.
        block: utterances per block.
    """
    starts = range(0, max(len(n_NK), 1), block)
    parts = [
        pool(
            model,
            n_NK[start : start + block],
            q_NAK[start : start + block],
            None if label_mass_NA is None else label_mass_NA[start : start + block],
        )
        for start in starts
    ]
    return Pooled(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Pooled))
    )


def pool(
    model: PoolingModel, n_NK: np.ndarray, q_NAK: np.ndarray, label_mass_NA: np.ndarray | None = None
) -> Pooled:
    """Pool human votes and ALMs' distributions.

    Args:
        model: the fitted model.
        n_NK: human votes, zeros where nobody voted.
        q_NAK: the ALMs' distributions in the order of ``model.alms``, nan where one did not answer.
        label_mass_NA: probability of all labels together, from 0 to 1; nan (or None) where unknown.
    """
    rows = len(n_NK)
    calibrated_NAK = np.full((rows, len(model.alms), len(model.labels)), np.nan)
    kappa_NA = np.zeros((rows, len(model.alms)))
    for a, alm in enumerate(model.alms):
        calibrated_NAK[:, a] = alm.calibration.apply(q_NAK[:, a])
        mass_N = None if label_mass_NA is None else label_mass_NA[:, a]
        f_NF = features(n_NK, calibrated_NAK[:, a], mass_N)
        kappa_NA[:, a] = equivalent_votes_from_features(alm.weights_F, f_NF) * alm.is_informative
    answered_NA = np.isfinite(calibrated_NAK).all(2)
    kappa_NA = np.where(answered_NA, kappa_NA, 0.0)
    has_alm_N = kappa_NA.sum(1) > 0
    prior_NK = np.tile(model.prior_K, (rows, 1))
    f_NF = features(n_NK, prior_NK)
    prior_votes_N = np.where(
        has_alm_N,
        equivalent_votes_from_features(model.prior_weights.beside_F, f_NF),
        equivalent_votes_from_features(model.prior_weights.alone_F, f_NF),
    )
    mean_NK = posterior_mean(
        n_NK,
        np.concatenate([prior_NK[:, None], calibrated_NAK], axis=1),
        np.concatenate([prior_votes_N[:, None], kappa_NA], axis=1),
    )
    p_NK = respond(mean_NK, model.response_KK, model.response_bias_K) if model.has_response else mean_NK
    p_NK = np.where(has_alm_N[:, None], p_NK, mean_NK)  # the response was fitted with ALMs
    has_votes_N = n_NK.sum(1) > 0
    return Pooled(
        p_NK,
        kappa_NA,
        prior_votes_N,
        n_NK.sum(1) + prior_votes_N + kappa_NA.sum(1),
        calibrated_NAK,
        mean_NK,
        ~has_votes_N & has_alm_N,
        ~has_votes_N & ~has_alm_N,
    )


def features(
    n_NK: np.ndarray, calibrated_NK: np.ndarray, label_mass_N: np.ndarray | None = None
) -> np.ndarray:
    """The features that the equivalent votes depend on, each from 0 to 1.

    In the order of FEATURES: 1; the share of votes for the label with most votes; the ALM's probability of the
    labels with most votes; the ALM's entropy divided by log K; the product of the second and third; the
    probability that the ALM gave to none of the labels (1 - label mass).

    Args:
        n_NK: human votes.
        calibrated_NK: an ALM's calibrated distributions; nan counts as 0.
        label_mass_N: probability of all labels together; nan (or None) where unknown, which counts as 1.

    Returns:
        ``f_NF``.

    Examples:
        >>> features(np.array([[3.0, 1.0]]), np.array([[0.5, 0.5]])).tolist()
        [[1.0, 0.75, 0.5, 1.0, 0.375, 0.0]]
    """
    labels = n_NK.shape[1]
    top_N = n_NK.max(1, initial=0.0)
    voted_N = top_N > 0
    agreement_N = top_N / np.where(voted_N, n_NK.sum(1), 1.0)
    q_NK = np.nan_to_num(calibrated_NK)
    mass_N = (q_NK * ((n_NK == top_N[:, None]) & voted_N[:, None])).sum(1)
    doubt_N = -(q_NK * np.log(np.maximum(q_NK, 1e-12))).sum(1) / np.log(max(labels, 2))
    withheld_N = np.zeros(len(n_NK)) if label_mass_N is None else 1 - np.nan_to_num(label_mass_N, nan=1.0)
    return np.stack(
        [np.ones(len(n_NK)), agreement_N, mass_N, doubt_N, agreement_N * mass_N, withheld_N], axis=1
    )


def equivalent_votes_from_features(weights_F: np.ndarray, f_NF: np.ndarray) -> np.ndarray:
    """``kappa_N = exp(w . f)``, limited to exp(-6) to exp(6) votes.

    Args:
        weights_F: w, an ALM's weights.
        f_NF: see ``features``.

    Examples:
        >>> equivalent_votes_from_features(np.array([np.log(2.0)]), np.array([[1.0]])).round(6).tolist()
        [2.0]
    """
    return np.exp(np.clip(f_NF @ weights_F, -LOG_KAPPA_LIMIT, LOG_KAPPA_LIMIT))


def posterior_mean(n_NK: np.ndarray, q_NCK: np.ndarray, kappa_NC: np.ndarray) -> np.ndarray:
    """``(n + sum_c kappa_c q_c) / (N + sum_c kappa_c)`` over the prior and the ALMs, C components.

    Args:
        n_NK: human votes.
        q_NCK: distributions of the components; nan where an ALM did not answer.
        kappa_NC: their votes; 0 where an ALM did not answer.

    Returns:
        ``p_NK``; nan where an utterance has no votes of any kind.

    Examples:
        >>> posterior_mean(np.array([[2.0, 1.0]]), np.array([[[0.25, 0.75]]]), np.array([[2.0]])).tolist()
        [[0.5, 0.5]]
    """
    weight_N = n_NK.sum(1) + kappa_NC.sum(1)
    components_NK = (np.nan_to_num(q_NCK) * kappa_NC[:, :, None]).sum(1)
    p_NK = (n_NK + components_NK) / np.where(weight_N > 0, weight_N, 1.0)[:, None]
    return np.where(weight_N[:, None] > 0, p_NK, np.nan)


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
