"""The sparse-vote trial: keep k of the many votes of every test utterance and predict the others.

On a corpus with many votes per utterance, k votes are drawn, the sources are made from them, and each is scored by
its JS to the votes that were not drawn. The pooling model is fitted on other speakers: on all votes of the training
speakers ("pooled"), or on k votes of each of their utterances ("pooled_k_everywhere"). ``intent`` is an oracle: where
actors were told which emotion to express, the training speakers' vote distribution for that emotion takes the ALM's
place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ambivox.models.errors import TooLittleDataError
from ambivox.models.evaluation.intended_emotion import oracle_distributions
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import FIT_SPLITS, PoolingInputs, mean_over_alms, pooling_inputs
from ambivox.models.pooling.pooled import Criterion, PoolingModel, pool
from ambivox.models.pooling.sources import combined_counts
from ambivox.models.pooling.synthetic_distributions import SyntheticDistributions
from ambivox.models.progress import track
from ambivox.models.statistics.ambiguity import DEFINITIONS, ambiguity, tertiles
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.vote_counts import shares
from ambivox.models.statistics.vote_draws import draw_votes
from ambivox.models.tables import Utterances, Votes

ORACLE = "intent"


@dataclass(frozen=True)
class Trial:
    """Scores by number of kept votes.

    Attributes:
        utterances: utterance_id and speaker of the scored utterances.
        js: ``js_N`` by source, averaged over draws.
        tertile: the tertile of every utterance by definition of ambiguity.
        equivalent_votes: mean equivalent votes by ALM, the oracle included.
        seed: of all drawing.
    """

    utterances: dict[int, pl.DataFrame]
    js: dict[int, dict[str, np.ndarray]]
    tertile: dict[int, dict[str, np.ndarray]]
    equivalent_votes: dict[int, dict[str, float]]
    seed: int


def trial(
    utterances: Utterances,
    votes: Votes,
    synthetic: Sequence[SyntheticDistributions],
    *,
    intents: pl.Series | None = None,
    kept: tuple[int, ...] = (1, 3, 5),
    draws: int = 5,
    criterion: Criterion = "js",
    synthetic_votes: int = 10,
    seed: int = 0,
) -> Trial:
    """Run the trial.

    Args:
        utterances: of the corpus, all splits.
        votes: all human votes.
        synthetic: the ALMs' distributions of the utterances outside the split pretrain, in their order.
        intents: the intended emotion of every utterance, for the oracle (see ``intended_emotions``); None
            leaves the oracle out.
        kept: numbers of votes to keep, each at least 1.
        draws: of the kept votes; scores are averaged over them.
        criterion: of the pooling fit.
        synthetic_votes: the ALMs' votes in "combined".
        seed: of all drawing.

    Raises:
        TooLittleDataError: no training speaker with votes, or no test utterance with more votes than are kept.
    """
    selected = utterances.in_splits("train", "development", "test")
    inputs = pooling_inputs(selected, votes, synthetic)
    split_N = selected.frame["split"].to_numpy()
    fit_N, test_N = np.isin(split_N, FIT_SPLITS), split_N == "test"
    if not (inputs.n_NK[fit_N].sum() > 0):
        raise TooLittleDataError(
            "no utterance of the splits train and development has a vote, so nothing can be fitted; "
            "ingest with shares that leave training speakers"
        )
    oracle_NK = None if intents is None else oracle_distributions(intents, utterances, votes, selected)
    alms = [alm.alm for alm in synthetic]
    result = Trial({}, {}, {}, {}, seed)
    for k in track(kept, "votes kept", len(kept)):
        scored_N = test_N & (inputs.n_NK.sum(1) > k)
        if k < 1 or not scored_N.any():
            raise TooLittleDataError(f"no utterance of the split test has more than the {k} votes to be kept")
        test, training = inputs.rows(scored_N), inputs.rows(fit_N)
        models = _fit_models(votes.labels, alms, training, k, criterion, seed)
        oracle = None
        if oracle_NK is not None:
            oracle = _fit_oracle(votes.labels, training, oracle_NK[fit_N], k, criterion, seed)
        scores, kappas = [], []
        for draw in range(draws):
            rng = np.random.default_rng([seed, k, draw])
            kept_NK = draw_votes(test.n_NK, np.full(len(test.n_NK), k), rng)
            p_NK_by_source, kappa = _sources(models, test, kept_NK, synthetic_votes, rng)
            if oracle is not None and oracle_NK is not None:
                pooled = pool(oracle, kept_NK, oracle_NK[scored_N][:, None])
                p_NK_by_source[ORACLE], kappa[ORACLE] = pooled.p_NK, float(pooled.kappa_NA.mean())
            truth_NK = shares(np.maximum(test.n_NK - kept_NK, 0))
            scores.append({source: jensen_shannon(truth_NK, p_NK) for source, p_NK in p_NK_by_source.items()})
            kappas.append(kappa)
        result.js[k] = {source: np.mean([score[source] for score in scores], axis=0) for source in scores[0]}
        result.equivalent_votes[k] = {
            alm: float(np.mean([kappa[alm] for kappa in kappas])) for alm in kappas[0]
        }
        result.utterances[k] = selected.frame.filter(pl.Series(scored_N)).select("utterance_id", "speaker")
        result.tertile[k] = {name: tertiles(ambiguity(test.n_NK, name)) for name in DEFINITIONS}
    return result


@dataclass(frozen=True)
class _Models:
    """The models of one number of kept votes: fitted on all votes, and on that many per utterance."""

    full: PoolingModel
    sparse: PoolingModel


def _fit_models(
    labels: tuple[str, ...],
    alms: list[str],
    training: PoolingInputs,
    k: int,
    criterion: Criterion,
    seed: int,
) -> _Models:
    rng = np.random.default_rng([seed, k])
    sparse_NK = draw_votes(training.n_NK, np.full(len(training.n_NK), k), rng)
    sparse = PoolingInputs(sparse_NK, training.q_NAK, training.label_mass_NA, training.speaker_N)
    full_model, sparse_model = (
        fit_pooling(labels, alms, inputs, np.full(1, float(k)), criterion=criterion, seed=seed)
        for inputs in (training, sparse)
    )
    return _Models(full_model, sparse_model)


def _fit_oracle(
    labels: tuple[str, ...],
    training: PoolingInputs,
    oracle_NK: np.ndarray,
    k: int,
    criterion: Criterion,
    seed: int,
) -> PoolingModel:
    """The model with the oracle in the ALM's place."""
    mass_N1 = np.ones((len(training.n_NK), 1))
    inputs = PoolingInputs(training.n_NK, oracle_NK[:, None], mass_N1, training.speaker_N)
    return fit_pooling(labels, [ORACLE], inputs, np.full(1, float(k)), criterion=criterion, seed=seed)


def _sources(
    models: _Models,
    test: PoolingInputs,
    kept_NK: np.ndarray,
    synthetic_votes: int,
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """``p_NK`` by source from the kept votes, and mean kappa by ALM."""
    prior_NK = np.tile(models.full.prior_K, (len(kept_NK), 1))
    q_NK = mean_over_alms(test.q_NAK)
    q_NK = np.where(np.isfinite(q_NK).all(1)[:, None], q_NK, prior_NK)
    pooled = pool(models.full, kept_NK, test.q_NAK, test.label_mass_NA)
    sources = {
        "human": shares(kept_NK),
        "synthetic": q_NK,
        "combined": combined_counts(kept_NK, q_NK, synthetic_votes, rng),
        "pooled": pooled.p_NK,
        "pooled_k_everywhere": pool(models.sparse, kept_NK, test.q_NAK, test.label_mass_NA).p_NK,
        "prior": prior_NK,
    }
    kappa = {alm.alm: float(pooled.kappa_NA[:, a].mean()) for a, alm in enumerate(models.full.alms)}
    return sources, kappa
