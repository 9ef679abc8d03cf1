"""The models of the sparse-vote trial, fitted on the training speakers, and what they make of a test utterance's kept votes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs, mean_over_alms
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.pooling.response import Criterion
from ambivox.models.pooling.score_curves import Fit
from ambivox.models.pooling.source_tables import combined_counts
from ambivox.models.statistics.proper_scores import smoothed
from ambivox.models.statistics.vote_counts import shares
from ambivox.models.statistics.vote_draws import draw_votes

ORACLE = "intent"


@dataclass(frozen=True)
class TrialModels:
    """The models of one number of kept votes.

    Attributes:
        full: fitted on all votes of the training speakers.
        balanced: the same by JS and nll together; None where ``full`` is not fitted by the likelihood.
        sparse: fitted on as many votes per utterance as are kept.
    """

    full: PoolingModel
    balanced: PoolingModel | None
    sparse: PoolingModel


def remembering_fit(
    labels: tuple[str, ...], alms: list[str], training: PoolingInputs, criterion: Criterion, seed: int
) -> Fit:
    """Fits models on the training speakers' votes, each once: by the likelihood, for all numbers of known votes.

    Args:
        labels: K names.
        alms: A names.
        training: the training speakers' utterances; what the returned function is called with, too.
        criterion: of the fits.
        seed: of all drawing.
    """

    @cache
    def fitted(chosen: tuple[int, ...], known: int | None) -> PoolingModel:
        in_use = np.full(1, float(known or 1))
        names = [alms[a] for a in chosen]
        return fit_pooling(labels, names, training.with_alms(chosen), in_use, criterion=criterion, seed=seed)

    def fit(chosen: tuple[int, ...], part: PoolingInputs, known: int) -> PoolingModel:
        assert part is training, "models are fitted on the training speakers only"
        return fitted(
            chosen, None if criterion == "likelihood" else known
        )  # only a response depends on known votes

    return fit


def fit_sparse(
    labels: tuple[str, ...],
    alms: list[str],
    training: PoolingInputs,
    k: int,
    criterion: Criterion,
    seed: int,
) -> PoolingModel:
    """The model fitted on k votes per utterance.

    Args:
        labels: K names.
        alms: A names.
        training: the training speakers' utterances with all their votes.
        k: how many votes of each are drawn.
        criterion: of the fit.
        seed: of all drawing.
    """
    rng = np.random.default_rng([seed, k])
    sparse_NK = draw_votes(training.n_NK, np.full(len(training.n_NK), k), rng, training.slots_NK)
    sparse = training.with_votes(sparse_NK)
    return fit_pooling(labels, alms, sparse, np.full(1, float(k)), criterion=criterion, seed=seed)


def fit_oracle(
    labels: tuple[str, ...],
    training: PoolingInputs,
    oracle_NK: np.ndarray,
    k: int,
    criterion: Criterion,
    seed: int,
) -> PoolingModel:
    """The model with the oracle in the ALM's place.

    Args:
        labels: K names.
        training: the training speakers' utterances.
        oracle_NK: the oracle's distributions of the same utterances.
        k: the number of known votes that the model will be used with.
        criterion: of the fit.
        seed: of all drawing.
    """
    mass_N1 = np.ones((len(training.n_NK), 1))
    inputs = replace(training, q_NAK=oracle_NK[:, None], label_mass_NA=mass_N1)
    return fit_pooling(labels, [ORACLE], inputs, np.full(1, float(k)), criterion=criterion, seed=seed)


def trial_sources(
    models: TrialModels,
    test: PoolingInputs,
    kept_NK: np.ndarray,
    alm_votes_NK: np.ndarray,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The distributions of every source.

    Args:
        models: those of this number of kept votes.
        test: the test speakers' utterances.
        kept_NK: their kept votes.
        alm_votes_NK: the ALMs' votes, for "combined".

    Returns:
        ``p_NK`` by source, and the mean equivalent votes by ALM.
    """
    prior_NK = np.tile(models.full.prior_K, (len(kept_NK), 1))
    q_NK = mean_over_alms(test.q_NAK)
    q_NK = np.where(np.isfinite(q_NK).all(1)[:, None], q_NK, prior_NK)
    pooled = pool(models.full, kept_NK, test.q_NAK, test.label_mass_NA)
    with_alms = {"pooled_balanced": models.balanced, "pooled_k_everywhere": models.sparse}
    human_prior, human_mixture = (
        pool(baseline, kept_NK, test.q_NAK[:, :0])
        for baseline in (models.full.with_prior_only(), models.full.without_alms())
    )
    sources = {
        "human": shares(kept_NK),
        "human_smoothed": smoothed(kept_NK),
        "human_prior": human_prior.p_NK,
        "human_mixture": human_mixture.p_NK,
        "synthetic": q_NK,
        "combined": combined_counts(kept_NK, alm_votes_NK),
        "pooled": pooled.p_NK,
        **{
            source: pool(model, kept_NK, test.q_NAK, test.label_mass_NA).p_NK
            for source, model in with_alms.items()
            if model is not None
        },
        "prior": prior_NK,
    }
    kappa = {alm.alm: float(pooled.kappa_NA[:, a].mean()) for a, alm in enumerate(models.full.alms)}
    return sources, kappa
