"""Pooling: a few human votes, the corpus prior and ALMs' distributions become one distribution per utterance.

The ALMs' answers are calibrated (calibration.py) and multiplied into one (stacking.py). The pooled distribution is the
mean of the utterance's posterior, a mixture of Dirichlet distributions that always contains the corpus prior
(mixture.py). Where no ALM contributes, a mixture fitted without ALMs takes its place: pooled is then human votes and
mixture, never the raw n / N, and where there are no votes the mixture's mean. That differs a little from the corpus prior,
in which utterances with more votes count for more. The *response* (response.py) follows where the criterion is not the
likelihood.

How certain the posterior is, in votes, has three parts: the human votes, the ALMs' *equivalent votes* (how many more it is
than without them; none where they contradict the votes), and the *prior votes*, the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ambivox.models.pooling.calibration import Calibration
from ambivox.models.pooling.mixture import DirichletMixture, posterior
from ambivox.models.pooling.response import Criterion, respond
from ambivox.models.pooling.stacking import stack


@dataclass(frozen=True)
class AlmModel:
    """The fitted parameters of one ALM.

    Attributes:
        alm: its name.
        calibration: from its distributions to human votes.
        stack_weight: its exponent in the answer of all ALMs; 0 if it is not informative.
        is_informative: whether it predicts unseen speakers' votes better than the corpus prior does; if not,
            it has 0 equivalent votes.
    """

    alm: str
    calibration: Calibration
    stack_weight: float
    is_informative: bool


@dataclass(frozen=True)
class PoolingModel:
    """A fitted pooling model.

    Attributes:
        labels: K names.
        prior_K: the corpus prior.
        prior: one Dirichlet around the corpus prior: the simplest way to pool votes without ALMs.
        alone: the mixture where no ALM contributes.
        beside_alms: the mixture where one does.
        alms: the ALMs' parameters.
        response_KK: G of the response.
        response_bias_K: c of the response.
        criterion: what the fit optimised.
        fitted_on: numbers of utterances, votes and speakers of the fit, its target, and in ``no_response`` why there is no
            response where the criterion is a divergence.
    """

    labels: tuple[str, ...]
    prior_K: np.ndarray
    prior: DirichletMixture
    alone: DirichletMixture
    beside_alms: DirichletMixture
    alms: tuple[AlmModel, ...]
    response_KK: np.ndarray
    response_bias_K: np.ndarray
    criterion: Criterion
    fitted_on: dict[str, Any]

    def without_alms(self) -> PoolingModel:
        """The model of human votes and mixture: the baseline that shows what the ALMs add."""
        return replace(self, alms=())

    def with_prior_only(self) -> PoolingModel:
        """The model of human votes and the corpus prior, in one Dirichlet."""
        return replace(self, alms=(), alone=self.prior)

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
        kappa_NA: equivalent votes; 0 where an ALM did not answer or is not informative. ALMs share those of their
            common answer by their weights in it.
        prior_votes_N: what the mixture counts for.
        weight_N: how certain the posterior is: human votes, prior votes and equivalent votes together.
        calibrated_NAK: calibrated distributions; nan where an ALM did not answer.
        posterior_mean_NK: the distributions before the response.
        variance_NK: the posterior variance of each label's probability.
        from_alm_N: no human votes, but an ALM's answers.
        from_prior_N: neither human votes nor answers, so that the distribution is the prior's mean, alike for all.
    """

    p_NK: np.ndarray
    kappa_NA: np.ndarray
    prior_votes_N: np.ndarray
    weight_N: np.ndarray
    calibrated_NAK: np.ndarray
    posterior_mean_NK: np.ndarray
    variance_NK: np.ndarray
    from_alm_N: np.ndarray
    from_prior_N: np.ndarray


def pool_blocks(
    model: PoolingModel,
    n_NK: np.ndarray,
    q_NAK: np.ndarray,
    label_mass_NA: np.ndarray | None = None,
    *,
    block: int = 8_192,
) -> Pooled:
    """As ``pool``, in blocks of utterances, whose intermediate arrays stay in the processor's cache.

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
    rows, weights_A = len(n_NK), np.array([alm.stack_weight for alm in model.alms])
    calibrated_NAK = np.full((rows, len(model.alms), len(model.labels)), np.nan)
    for a, alm in enumerate(model.alms):
        calibrated_NAK[:, a] = alm.calibration.apply(q_NAK[:, a])
    share_NA = weights_A * np.isfinite(calibrated_NAK).all(2)
    has_alm_N = share_NA.sum(1) > 0
    share_NA = share_NA / np.where(has_alm_N, share_NA.sum(1), 1.0)[:, None]
    c_NK = stack(calibrated_NAK, weights_A)
    mean_NK, variance_NK = np.zeros(n_NK.shape), np.zeros(n_NK.shape)
    weight_N, kappa_N = np.zeros(rows), np.zeros(rows)
    mass_N = np.ones(rows) if label_mass_NA is None else common_label_mass(label_mass_NA, share_NA)
    for part_N, has_alm in ((has_alm_N, True), (~has_alm_N, False)):
        if has_alm:
            answers = c_NK[part_N], mass_N[part_N]
            pooled = posterior(model.beside_alms, model.prior_K, n_NK[part_N], *answers)
            without = posterior(model.alone, model.prior_K, n_NK[part_N])
            kappa_N[part_N] = np.maximum(pooled.concentration_N - without.concentration_N, 0.0)
        else:
            pooled = posterior(model.alone, model.prior_K, n_NK[part_N])
        mean_NK[part_N], variance_NK[part_N] = pooled.mean_NK, pooled.variance_NK
        weight_N[part_N] = pooled.concentration_N
    has_votes_N = n_NK.sum(1) > 0
    p_NK = respond(mean_NK, model.response_KK, model.response_bias_K) if model.has_response else mean_NK
    return Pooled(
        np.where(has_alm_N[:, None], p_NK, mean_NK),  # the response was fitted with ALMs
        kappa_N[:, None] * share_NA,
        weight_N - n_NK.sum(1) - kappa_N,
        weight_N,
        calibrated_NAK,
        mean_NK,
        variance_NK,
        ~has_votes_N & has_alm_N,
        ~has_votes_N & ~has_alm_N,
    )


def common_label_mass(label_mass_NA: np.ndarray, share_NA: np.ndarray) -> np.ndarray:
    """The label mass of the ALMs' common answer: the mean by their shares in it.

    Args:
        label_mass_NA: from 0 to 1; nan where unknown, which counts as 1.
        share_NA: summing to 1 where an ALM answered.

    Examples:
        >>> common_label_mass(np.array([[0.5, np.nan]]), np.array([[0.5, 0.5]])).tolist()
        [0.75]
    """
    mass_N: np.ndarray = (np.nan_to_num(label_mass_NA, nan=1.0) * share_NA).sum(1)
    return mass_N + (share_NA.sum(1) == 0)
