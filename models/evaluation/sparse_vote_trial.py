"""The sparse-vote trial: keep k of the many votes of every test utterance and predict the others.

On a corpus with many votes per utterance, k votes are drawn, the sources are made from them, and each is scored
against the votes that were not drawn (models/evaluation/scores.py). The pooling model is fitted on other speakers: on all
votes of the training speakers, by the likelihood ("pooled") and by JS and nll together ("pooled_balanced"), or on k votes
of each of their utterances ("pooled_k_everywhere"). ``intent`` is an oracle: where actors were told which emotion to
express, the training speakers' vote distribution for that emotion takes the ALM's place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ambivox.models.errors import TooLittleDataError
from ambivox.models.evaluation.ambiguity_strata import ambiguity_strata
from ambivox.models.evaluation.human_targets import vote_squares
from ambivox.models.evaluation.intended_emotion import oracle_distributions
from ambivox.models.evaluation.scores import divergences
from ambivox.models.evaluation.trial_models import (
    ORACLE,
    TrialModels,
    fit_oracle,
    fit_sparse,
    remembering_fit,
    trial_sources,
)
from ambivox.models.pooling.inputs import FIT_SPLITS, PoolingInputs, pooling_inputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.pooling.response import Criterion
from ambivox.models.pooling.score_curves import Fit
from ambivox.models.pooling.sources import mean_votes
from ambivox.models.pooling.synthetic_distributions import SyntheticDistributions
from ambivox.models.pooling.worth import Worth, measurable, transferred_worth
from ambivox.models.progress import track
from ambivox.models.statistics.ambiguity import DEFINITIONS, ambiguity, tertiles
from ambivox.models.statistics.vote_counts import TOLERANCE
from ambivox.models.statistics.vote_draws import draw_votes, drawn_vote_square
from ambivox.models.tables import Utterances, Votes

Scores = dict[str, np.ndarray]


@dataclass(frozen=True)
class StrataScores:
    """Scores of M pairs of a draw and an utterance, against votes that did not measure its ambiguity.

    Attributes:
        row_M: the utterance.
        tertile_M: 0, 1 or 2 for low, medium or high ambiguity.
        scores: ``score_M`` by source and name of the score.
    """

    row_M: np.ndarray
    tertile_M: np.ndarray
    scores: dict[str, Scores]


@dataclass(frozen=True)
class Trial:
    """Scores by number of kept votes.

    Attributes:
        utterances: utterance_id and speaker of the scored utterances.
        scores: ``score_N`` by source and name of the score, averaged over draws.
        strata: the same in ambiguity tertiles; None where too few votes are left.
        tertile: the tertile of every utterance by definition of the ambiguity of all its votes (earlier versions).
        equivalent_votes: mean equivalent votes by ALM, the oracle included.
        worth: what each ALM alone is worth in further human votes.
        seed: of all drawing.
    """

    utterances: dict[int, pl.DataFrame]
    scores: dict[int, dict[str, Scores]]
    strata: dict[int, StrataScores | None]
    tertile: dict[int, dict[str, np.ndarray]]
    equivalent_votes: dict[int, dict[str, float]]
    worth: dict[int, tuple[Worth, ...]]
    seed: int


def trial(
    utterances: Utterances,
    votes: Votes,
    synthetic: Sequence[SyntheticDistributions],
    *,
    intents: pl.Series | None = None,
    kept: tuple[int, ...] = (1, 3, 5),
    draws: int = 5,
    criterion: Criterion = "likelihood",
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
        criterion: of the pooling fit; by "likelihood", "balanced" is fitted beside it.
        synthetic_votes: the ALMs' votes in "combined".
        seed: of all drawing.

    Raises:
        TooLittleDataError: no training speaker with votes, or no test utterance with more votes than are kept.
    """
    selected = utterances.in_splits("train", "development", "test")
    inputs = pooling_inputs(selected, votes, synthetic)
    vote_square_N = vote_squares(votes, selected.frame["utterance_id"])
    split_N = selected.frame["split"].to_numpy()
    fit_N, test_N = np.isin(split_N, FIT_SPLITS), split_N == "test"
    if not (inputs.n_NK[fit_N].sum() > 0):
        raise TooLittleDataError(
            "no utterance of the splits train and development has a vote, so nothing can be fitted; "
            "ingest with shares that leave training speakers"
        )
    oracle_NK = None if intents is None else oracle_distributions(intents, utterances, votes, selected)
    alms = [alm.alm for alm in synthetic]
    result = Trial({}, {}, {}, {}, {}, {}, seed)
    training = inputs.rows(fit_N)
    fit = remembering_fit(votes.labels, alms, training, criterion, seed)
    balanced_fit = remembering_fit(votes.labels, alms, training, "balanced", seed)
    every_alm = tuple(range(len(alms)))
    alm_votes_NK = mean_votes(synthetic, synthetic_votes, inputs.n_NK)
    oracle: PoolingModel | None = None
    for k in track(kept, "votes kept", len(kept)):
        scored_N = test_N & (inputs.n_NK.sum(1) > k + TOLERANCE)
        if k < 1 or not scored_N.any():
            raise TooLittleDataError(f"no utterance of the split test has more than the {k} votes to be kept")
        test = inputs.rows(scored_N)
        left_N = np.maximum(test.slots_NK.sum(1) - k, 0)
        square_N = drawn_vote_square(test.n_NK, left_N, vote_square_N[scored_N])
        sparse = fit_sparse(votes.labels, alms, training, k, criterion, seed)
        balanced = balanced_fit(every_alm, training, k) if criterion == "likelihood" else None
        models = TrialModels(fit(every_alm, training, k), balanced, sparse)
        if oracle_NK is not None and (oracle is None or criterion != "likelihood"):
            oracle = fit_oracle(votes.labels, training, oracle_NK[fit_N], k, criterion, seed)
        scores: list[dict[str, Scores]] = []
        strata: list[StrataScores] = []
        kappas = []
        for draw in range(draws):
            rng = np.random.default_rng([seed, k, draw])
            kept_NK = draw_votes(test.n_NK, np.full(len(test.n_NK), k), rng)
            p_NK_by_source, kappa = trial_sources(models, test, kept_NK, alm_votes_NK[scored_N])
            if oracle is not None and oracle_NK is not None:
                pooled = pool(oracle, kept_NK, oracle_NK[scored_N][:, None])
                p_NK_by_source[ORACLE], kappa[ORACLE] = pooled.p_NK, float(pooled.kappa_NA.mean())
            left_NK = np.maximum(test.n_NK - kept_NK, 0)
            scores.append(
                {source: divergences(left_NK, p_NK, square_N) for source, p_NK in p_NK_by_source.items()}
            )
            by_ambiguity = ambiguity_strata(
                left_NK, vote_square_N=square_N, draws=1, seed=int(rng.integers(2**31))
            )
            if by_ambiguity is not None:
                row_M = by_ambiguity.row_M
                in_strata = {
                    source: divergences(by_ambiguity.target_MK, p_NK[row_M], by_ambiguity.vote_square_M)
                    for source, p_NK in p_NK_by_source.items()
                }
                strata.append(StrataScores(row_M, by_ambiguity.tertile_M, in_strata))
            kappas.append(kappa)
        result.scores[k] = _combine(scores, lambda parts: np.mean(parts, axis=0))
        result.strata[k] = _joined(strata)
        result.equivalent_votes[k] = {
            alm: float(np.mean([kappa[alm] for kappa in kappas])) for alm in kappas[0]
        }
        result.worth[k] = _worth(alms, training, test, k, fit, seed)
        result.utterances[k] = selected.frame.filter(pl.Series(scored_N)).select("utterance_id", "speaker")
        result.tertile[k] = {name: tertiles(ambiguity(test.n_NK, name)) for name in DEFINITIONS}
    return result


def _worth(
    alms: list[str], training: PoolingInputs, test: PoolingInputs, k: int, fit: Fit, seed: int
) -> tuple[Worth, ...]:
    """What every ALM that answered is worth beside k votes, on the test speakers."""
    measured = []
    for a, alm in enumerate(alms):
        answered = test.rows(np.isfinite(test.q_NAK[:, a]).all(1))
        plan = measurable(answered.slots_NK, k)
        if plan is not None and plan[0] == k:
            measured.append(transferred_worth(alm, a, training, answered, plan, fit, seed=seed))
    return tuple(measured)


def _joined(strata: list[StrataScores]) -> StrataScores | None:
    """The pairs of all draws."""
    if not strata:
        return None
    return StrataScores(
        np.concatenate([part.row_M for part in strata]),
        np.concatenate([part.tertile_M for part in strata]),
        _combine([part.scores for part in strata], np.concatenate),
    )


def _combine(
    draws: list[dict[str, Scores]], combine: Callable[[list[np.ndarray]], np.ndarray]
) -> dict[str, Scores]:
    """The scores of all draws as one array per source and score."""
    return {
        source: {name: combine([draw[source][name] for draw in draws]) for name in scores}
        for source, scores in draws[0].items()
    }
