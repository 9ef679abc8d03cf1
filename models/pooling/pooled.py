"""Pooling: a few human votes and ALMs' distributions become one distribution per utterance.

    p = (n + sum_a kappa_a q~_a) / (N + sum_a kappa_a)

n are the N human votes, q~_a the calibrated distribution of ALM a, and kappa_a > 0 how many human votes it is
worth on this utterance: ``log kappa_a = w_a . f`` with features f of what is known of the utterance. This
is the posterior mean under a Dirichlet prior kappa q~, so equal to the humans' n / N where kappa = 0.

The posterior mean is not yet the answer that comes closest to further human votes: its own uncertainty
flattens it, most where the votes agree. The *response* ``p' = softmax(G log p + c)``, G close to the unit
matrix, mends that where the fit aims at the Jensen-Shannon divergence; where it aims at the likelihood, p'
= p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from scipy.special import softmax

from ambivox.models.pooling.calibration import Calibration

Criterion = Literal["js", "balanced", "likelihood"]
CRITERIA: tuple[Criterion, ...] = ("js", "balanced", "likelihood")
FEATURES = ("constant", "agreement", "mass_on_top", "doubt", "agreement_x_mass", "label_mass")
RESPONSE_FLOOR = 1e-4  # added to a probability before its logarithm is taken in the response
_LOG_KAPPA_LIMIT = 6.0


@dataclass(frozen=True)
class AlmModel:
    """What is known of one ALM: how to calibrate it and what its votes are worth."""

    alm: str
    calibration: Calibration
    weights_F: np.ndarray
    informs: bool  # whether it predicts unseen speakers' votes better than the corpus prior does


@dataclass(frozen=True)
class PoolingModel:
    """A fitted pooling model; ``prior_K`` is the corpus's distribution of votes."""

    labels: tuple[str, ...]
    prior_K: np.ndarray
    alms: tuple[AlmModel, ...]
    response_KK: np.ndarray
    response_bias_K: np.ndarray
    criterion: Criterion
    fitted_on: dict[str, Any]

    @property
    def responds(self) -> bool:
        """Whether the response changes anything."""
        unit = np.array_equal(self.response_KK, np.eye(len(self.labels)))
        return not (unit and not self.response_bias_K.any())


@dataclass(frozen=True)
class Pooled:
    """Pooled distributions of N utterances and what went into them."""

    p_NK: np.ndarray
    kappa_NA: np.ndarray  # 0 where an ALM did not answer or does not inform
    calibrated_NAK: np.ndarray  # nan where an ALM did not answer
    posterior_mean_NK: np.ndarray  # before the response
    from_alm_N: np.ndarray  # no human votes, but an ALM's
    from_prior_N: np.ndarray  # neither


def pool_blocks(
    model: PoolingModel,
    n_NK: np.ndarray,
    q_NAK: np.ndarray,
    label_mass_NA: np.ndarray | None = None,
    *,
    block: int = 250_000,
) -> Pooled:
    """As ``pool``, block by block, so that what is only needed on the way takes no more memory than a block."""
    starts = range(0, max(len(n_NK), 1), block)
    parts = [
        pool(
            model,
            n_NK[at : at + block],
            q_NAK[at : at + block],
            None if label_mass_NA is None else label_mass_NA[at : at + block],
        )
        for at in starts
    ]
    return Pooled(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Pooled))
    )


def pool(
    model: PoolingModel, n_NK: np.ndarray, q_NAK: np.ndarray, label_mass_NA: np.ndarray | None = None
) -> Pooled:
    """Pool human votes and ALMs' distributions.

    Args:
        model: as fitted.
        n_NK: human votes, zeros where nobody voted.
        q_NAK: the ALMs' distributions in the order of ``model.alms``, nan where one did not answer.
        label_mass_NA: the share of probability that the labels got together; nan (or None) where unknown.
    """
    rows = len(n_NK)
    calibrated_NAK = np.full((rows, len(model.alms), len(model.labels)), np.nan)
    kappa_NA = np.zeros((rows, len(model.alms)))
    for a, alm in enumerate(model.alms):
        calibrated_NAK[:, a] = alm.calibration.apply(q_NAK[:, a])
        mass_N = None if label_mass_NA is None else label_mass_NA[:, a]
        kappa_NA[:, a] = kappa(alm.weights_F, features(n_NK, calibrated_NAK[:, a], mass_N)) * alm.informs
    answered_NA = np.isfinite(calibrated_NAK).all(2)
    kappa_NA = np.where(answered_NA, kappa_NA, 0.0)
    mean_NK = posterior_mean(n_NK, calibrated_NAK, kappa_NA)
    weight_N = n_NK.sum(1) + kappa_NA.sum(1)
    p_NK = respond(mean_NK, model.response_KK, model.response_bias_K) if model.responds else mean_NK
    # Humans alone, where no ALM says anything: they stay as they are.
    p_NK = np.where(kappa_NA.sum(1, keepdims=True) > 0, p_NK, mean_NK)
    from_prior_N = weight_N <= 0
    p_NK = np.where(from_prior_N[:, None], model.prior_K, p_NK)
    from_alm_N = (n_NK.sum(1) <= 0) & ~from_prior_N
    return Pooled(p_NK, kappa_NA, calibrated_NAK, mean_NK, from_alm_N, from_prior_N)


def features(
    n_NK: np.ndarray, calibrated_NK: np.ndarray, label_mass_N: np.ndarray | None = None
) -> np.ndarray:
    """What kappa depends on, ``f_NF`` (see FEATURES), each from 0 to 1.

    The share of votes for the label with most; the ALM's mass on the labels with most votes; the ALM's
    entropy as a share of log K; the product of the first two; what the ALM withheld from the labels (1 -
    label mass).
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


def kappa(weights_F: np.ndarray, features_NF: np.ndarray) -> np.ndarray:
    """``kappa_N = exp(w . f)``, from exp(-6) to exp(6) votes."""
    return np.exp(np.clip(features_NF @ weights_F, -_LOG_KAPPA_LIMIT, _LOG_KAPPA_LIMIT))


def posterior_mean(n_NK: np.ndarray, calibrated_NAK: np.ndarray, kappa_NA: np.ndarray) -> np.ndarray:
    """``(n + sum_a kappa_a q~_a) / (N + sum_a kappa_a)``; nan where there is neither vote nor kappa."""
    weight_N = n_NK.sum(1) + kappa_NA.sum(1)
    synthetic_NK = (np.nan_to_num(calibrated_NAK) * kappa_NA[:, :, None]).sum(1)
    p_NK = (n_NK + synthetic_NK) / np.where(weight_N > 0, weight_N, 1.0)[:, None]
    return np.where(weight_N[:, None] > 0, p_NK, np.nan)


def respond(p_NK: np.ndarray, response_KK: np.ndarray, bias_K: np.ndarray) -> np.ndarray:
    """``softmax(G log p + c)``."""
    return softmax(np.log(p_NK + RESPONSE_FLOOR) @ response_KK.T + bias_K, axis=1)


def counted(n_NK: np.ndarray, q_NK: np.ndarray, votes: int, rng: np.random.Generator) -> np.ndarray:
    """The paper's "combined": ``votes`` votes drawn from q are counted like human ones; nan without either."""
    answered_N = np.isfinite(q_NK).all(1)
    drawn_NK = np.zeros_like(n_NK)
    drawn_NK[answered_N] = rng.multinomial(votes, q_NK[answered_N] / q_NK[answered_N].sum(1, keepdims=True))
    total_N = (n_NK + drawn_NK).sum(1, keepdims=True)
    return np.where(total_N > 0, (n_NK + drawn_NK) / np.where(total_N > 0, total_N, 1.0), np.nan)


def stack(q_per_alm: Sequence[np.ndarray], rows: int, labels: int) -> np.ndarray:
    """``q_NAK`` from one ``q_NK`` per ALM (A may be 0)."""
    return np.stack(q_per_alm, axis=1) if len(q_per_alm) else np.zeros((rows, 0, labels))
