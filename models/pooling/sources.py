"""The sources of distributions for the same utterances: human, synthetic, combined, pooled, and two baselines.

The baselines pool the human votes without any ALM: *human_prior* with the corpus prior in one Dirichlet, *human_mixture*
with the mixture that is learned from the votes, the same model as pooled less the ALM: what pooled must beat. The column
``fallback`` marks the rows where a source has nothing for an utterance: "alm" where ``combined`` and ``pooled`` are based on
ALMs alone, "prior" where there is no answer either. The row is then the mean of the mixture in ``pooled`` and
``human_mixture``, and the corpus prior (of the training speakers' votes) in the other sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.added import measure_added
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import FIT_SPLITS, PoolingInputs, pooling_inputs
from ambivox.models.pooling.pooled import Pooled, PoolingModel, pool_blocks
from ambivox.models.pooling.response import Criterion
from ambivox.models.pooling.several_alms import read_alms
from ambivox.models.pooling.source_tables import source_tables
from ambivox.models.pooling.synthetic_distributions import SyntheticDistributions
from ambivox.models.pooling.vote_file import VoteCounts
from ambivox.models.pooling.worth import Worth, measure_worth
from ambivox.models.statistics.intervals import Interval
from ambivox.models.tables import Distributions, Utterances

_MOST_MEASURED = 4_000  # utterances on which the worth is measured


@dataclass(frozen=True)
class Sources:
    """The distributions of utterances by every source, and what they were made from; N are not reserved for pretraining.

    Attributes:
        tables: distributions by source; those of human votes and pooled have the reserved utterances too.
        model: the model behind ``pooled``.
        worth: what each of the model's ALMs is worth in human votes, in their order; None where it cannot be measured.
        added: what each ALM adds to the others, see ``measure_added``.
        synthetic: the ALMs' distributions, in the same order.
        inputs: the arrays that were pooled.
        pooled: the pooled distributions, and their ingredients.
        split_N: the split of every utterance.
    """

    tables: dict[str, Distributions]
    model: PoolingModel
    worth: tuple[Worth | None, ...]
    added: tuple[Interval | None, ...]
    synthetic: tuple[SyntheticDistributions, ...]
    inputs: PoolingInputs
    pooled: Pooled
    split_N: np.ndarray


def make_sources(
    utterances: Utterances,
    votes: VoteCounts,
    annotations: tuple[Path, ...],
    *,
    criterion: Criterion = "likelihood",
    weighted_votes: VoteCounts | None = None,
    synthetic_votes: int = 10,
    matrix: bool = True,
    seed: int = 0,
) -> Sources:
    """Distributions of all utterances by all sources.

    The pooling model is fitted on the speakers of the splits train and development. Those of the split "pretrain", on whose
    votes the ALM was trained, are pooled without it, and have no ``synthetic`` and ``combined``.

    Args:
        utterances: of the corpus.
        votes: human votes.
        annotations: files of ALMs' answers, of one or more ALMs each; none for human votes and mixture only.
        criterion: see models/pooling/fit.py.
        weighted_votes: the same votes weighted by their annotators' reliability; used by ``pooled`` only.
        synthetic_votes: how many votes exact answers count for in ``combined``, at least 1.
        matrix: whether calibrations may have a confusion matrix.
        seed: of all drawing.

    Raises:
        UserError: no utterances, label sets that differ, or one revision of an ALM in two files.
    """
    if synthetic_votes < 1:
        raise UserError(f"synthetic-votes must be at least 1, found {synthetic_votes}")
    selected = utterances.in_splits("train", "development", "test")
    if not len(selected):
        raise UserError(
            "no utterance is in the splits train, development or test, so there is nothing to pool"
        )
    ids, labels = selected.frame["utterance_id"], votes.labels
    synthetic = read_alms(annotations, ids, labels)
    names = [alm.alm for alm in synthetic]
    unweighted = pooling_inputs(selected, votes, synthetic)
    inputs = unweighted
    if weighted_votes is not None:
        inputs = pooling_inputs(selected, votes, synthetic, weighted_votes)
    split_N = selected.frame["split"].to_numpy()
    train = inputs.rows(np.isin(split_N, FIT_SPLITS))
    votes_N = unweighted.n_NK.sum(1)  # numbers of raters, whatever their weights

    def fit(alms: tuple[int, ...], part: PoolingInputs, known: int) -> PoolingModel:
        in_use, chosen = np.full(1, float(known)), [names[a] for a in alms]
        return fit_pooling(
            labels, chosen, part.with_alms(alms), in_use, criterion=criterion, matrix=matrix, seed=seed
        )

    model = fit_pooling(labels, names, train, votes_N, criterion=criterion, matrix=matrix, seed=seed)
    pooled = pool_blocks(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA)
    in_use = float(np.median(votes_N[votes_N > 0])) if (votes_N > 0).any() else 1.0
    measured = train.sample(_MOST_MEASURED, seed)
    worth = measure_worth(names, measured, in_use, fit, seed=seed)
    added = measure_added(len(names), measured, in_use, fit, seed=seed)
    tables = source_tables(
        ids,
        unweighted,
        {"pooled": pooled} | _baselines(model, inputs),
        model,
        mean_votes(synthetic, synthetic_votes, inputs.n_NK),
    )
    reserved = utterances.in_splits("pretrain")
    if len(reserved):
        tables = _with_reserved(tables, utterances, reserved, votes, weighted_votes, model)
    return Sources(tables, model, worth, added, synthetic, inputs, pooled, split_N)


def _baselines(model: PoolingModel, inputs: PoolingInputs) -> dict[str, Pooled]:
    """The human votes pooled without any ALM, with the prior or the mixture."""
    return {
        source: pool_blocks(baseline, inputs.n_NK, inputs.q_NAK[:, :0])
        for source, baseline in (
            ("human_prior", model.with_prior_only()),
            ("human_mixture", model.without_alms()),
        )
    }


def _with_reserved(
    tables: dict[str, Distributions],
    utterances: Utterances,
    reserved: Utterances,
    votes: VoteCounts,
    weighted_votes: VoteCounts | None,
    model: PoolingModel,
) -> dict[str, Distributions]:
    """The tables with the reserved utterances, whose votes are pooled as where no ALM answered; in the corpus's order."""
    # Counting reads the whole file of votes.
    inputs = weighted = pooling_inputs(reserved, votes, ())
    if weighted_votes is not None:
        weighted = pooling_inputs(reserved, votes, (), weighted_votes)
    no_answers_NAK = np.full((len(reserved), len(model.alms), len(model.labels)), np.nan)
    pooled = {"pooled": pool_blocks(model, weighted.n_NK, no_answers_NAK)} | _baselines(model, weighted)
    further = source_tables(
        reserved.frame["utterance_id"], inputs, pooled, model, np.zeros_like(inputs.n_NK, dtype=np.float64)
    )
    in_order = utterances.frame.select("utterance_id")
    return tables | {
        source: Distributions(
            in_order.join(
                pl.concat([tables[source].frame, further[source].frame]),
                on="utterance_id",
                maintain_order="left",
            ),
            model.labels,
        )
        for source in ("human", *pooled)
    }


def mean_votes(synthetic: Sequence[SyntheticDistributions], exact: int, n_NK: np.ndarray) -> np.ndarray:
    """The ALMs' votes in ``combined``, ``v_NK``: the mean over the ALMs that answered.

    Args:
        synthetic: the ALMs' distributions of N utterances.
        exact: how many votes an exact distribution counts for; sampled answers count as they are.
        n_NK: human votes, whose shape the result has.

    Returns:
        ``v_NK``; 0 where no ALM answered.
    """
    if not synthetic:
        return np.zeros_like(n_NK, dtype=np.float64)
    answering_N = np.sum([alm.answered_N for alm in synthetic], axis=0)
    total_NK: np.ndarray = np.sum([alm.votes(exact) for alm in synthetic], axis=0)
    return total_NK / np.maximum(answering_N, 1)[:, None]
