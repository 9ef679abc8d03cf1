"""The four sources of distributions for the same utterances: human, synthetic, combined, pooled.

Where a source has nothing for an utterance, it takes the corpus prior (of the training speakers' votes) and marks
the row in the column ``fallback``: "prior", or "alm" where ``combined`` and ``pooled`` are based on ALMs alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.equivalent_votes import EquivalentVotes, equivalent_votes
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import FIT_SPLITS, PoolingInputs, mean_over_alms, pooling_inputs
from ambivox.models.pooling.pooled import Criterion, Pooled, PoolingModel, pool_blocks
from ambivox.models.pooling.synthetic_distributions import (
    SyntheticDistributions,
    read_synthetic_distributions,
)
from ambivox.models.pooling.vote_file import VoteCounts
from ambivox.models.statistics.vote_counts import shares
from ambivox.models.tables import Distributions, Utterances

# Utterances of a refit, and of the mean of the equivalent votes: their intervals need no more.
_MOST_REFIT, _MOST_AVERAGED = 4_000, 100_000


@dataclass(frozen=True)
class Sources:
    """The distributions of N utterances by every source, and what they were made from.

    Attributes:
        tables: distributions by source.
        model: the model behind ``pooled``.
        equivalent_votes: of the model's ALMs, in their order.
        synthetic: the ALMs' distributions, in the same order.
        inputs: the arrays that were pooled.
        pooled: the pooled distributions, and their ingredients.
        split_N: the split of every utterance.
    """

    tables: dict[str, Distributions]
    model: PoolingModel
    equivalent_votes: tuple[EquivalentVotes, ...]
    synthetic: tuple[SyntheticDistributions, ...]
    inputs: PoolingInputs
    pooled: Pooled
    split_N: np.ndarray


def make_sources(
    utterances: Utterances,
    votes: VoteCounts,
    annotations: tuple[Path, ...],
    *,
    criterion: Criterion = "js",
    weighted_votes: VoteCounts | None = None,
    synthetic_votes: int = 10,
    matrix: bool = True,
    resamples: int = 20,
    seed: int = 0,
) -> Sources:
    """Distributions of the utterances outside the split "pretrain" by all four sources.

    The pooling model is fitted on the speakers of the splits train and development.

    Args:
        utterances: of the corpus.
        votes: human votes.
        annotations: files of ALMs' answers, of one or more ALMs each.
        criterion: see models/pooling/fit.py.
        weighted_votes: the same votes weighted by their annotators' reliability; used by ``pooled`` only.
        synthetic_votes: how many votes the ALMs have in ``combined``, at least 1.
        matrix: whether calibrations have a confusion matrix.
        resamples: refits for the intervals of the equivalent votes.
        seed: of all drawing.

    Raises:
        UserError: no utterances, label sets that differ, or an ALM in two files.
    """
    if synthetic_votes < 1:
        raise UserError(f"synthetic-votes must be at least 1, found {synthetic_votes}")
    selected = utterances.in_splits("train", "development", "test")
    if not len(selected):
        raise UserError(
            "no utterance is in the splits train, development or test, so there is nothing to pool"
        )
    ids, labels = selected.frame["utterance_id"], votes.labels
    synthetic = tuple(alm for path in annotations for alm in read_synthetic_distributions(path, ids, labels))
    names = [alm.alm for alm in synthetic]
    if len(set(names)) != len(names):
        raise UserError(f"an ALM occurs in more than one annotations file: {', '.join(sorted(names))}")
    unweighted = pooling_inputs(selected, votes, synthetic)
    inputs = unweighted if weighted_votes is None else pooling_inputs(selected, weighted_votes, synthetic)
    split_N = selected.frame["split"].to_numpy()
    train = inputs.rows(np.isin(split_N, FIT_SPLITS))
    votes_N = inputs.n_NK.sum(1)

    def fit(part: PoolingInputs, part_seed: int) -> PoolingModel:
        return fit_pooling(labels, names, part, votes_N, criterion=criterion, matrix=matrix, seed=part_seed)

    model = fit(train, seed)
    pooled = pool_blocks(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA)
    alm_votes = equivalent_votes(
        model,
        inputs.sample(_MOST_AVERAGED, seed),
        train.sample(_MOST_REFIT, seed),
        fit,
        resamples=resamples,
        seed=seed,
    )
    tables = _tables(ids, labels, unweighted, pooled, model, synthetic_votes, np.random.default_rng(seed))
    return Sources(tables, model, alm_votes, synthetic, inputs, pooled, split_N)


def combined_counts(n_NK: np.ndarray, q_NK: np.ndarray, votes: int, rng: np.random.Generator) -> np.ndarray:
    """The paper's "combined": votes drawn from the ALM's distribution count like human votes.

    Args:
        n_NK: human votes.
        q_NK: the ALM's distributions; nan where it did not answer.
        votes: how many votes are drawn per answered utterance.
        rng: the random generator.

    Returns:
        ``p_NK``; nan where an utterance has neither votes nor an answer.

    Examples:
        >>> combined_counts(np.array([[3.0, 0.0]]), np.array([[0.0, 1.0]]), 9, np.random.default_rng(0)).tolist()
        [[0.25, 0.75]]
    """
    answered_N = np.isfinite(q_NK).all(1)
    drawn_NK = np.zeros_like(n_NK)
    drawn_NK[answered_N] = rng.multinomial(votes, q_NK[answered_N] / q_NK[answered_N].sum(1, keepdims=True))
    total_N1 = (n_NK + drawn_NK).sum(1, keepdims=True)
    return np.where(total_N1 > 0, (n_NK + drawn_NK) / np.where(total_N1 > 0, total_N1, 1.0), np.nan)


def _tables(
    ids: pl.Series,
    labels: tuple[str, ...],
    inputs: PoolingInputs,
    pooled: Pooled,
    model: PoolingModel,
    synthetic_votes: int,
    rng: np.random.Generator,
) -> dict[str, Distributions]:
    """One table per source, with fallbacks marked."""
    n_NK, votes_N, rows = inputs.n_NK, inputs.n_NK.sum(1), len(inputs.n_NK)
    q_NK = mean_over_alms(inputs.q_NAK)
    drawn_N = synthetic_votes * np.isfinite(q_NK).all(1)
    # Per source: distributions, human votes, equivalent votes.
    columns = {
        "human": (shares(n_NK), votes_N, np.zeros(rows)),
        "synthetic": (q_NK, np.zeros(rows), drawn_N),
        "combined": (combined_counts(n_NK, q_NK, synthetic_votes, rng), votes_N, drawn_N),
        "pooled": (pooled.p_NK, votes_N, pooled.kappa_NA.sum(1)),
    }
    tables = {}
    for source, (p_NK, human_N, equivalent_N) in columns.items():
        empty_N = ~np.isfinite(p_NK).all(1) | (human_N + equivalent_N <= 0)
        p_NK = np.where(empty_N[:, None], model.prior_K, p_NK)
        p_NK = p_NK / p_NK.sum(1, keepdims=True)
        from_alm_N = (human_N <= 0) & ~empty_N & (source in ("combined", "pooled"))
        fallback = [
            "prior" if empty else "alm" if from_alm else None
            for empty, from_alm in zip(empty_N, from_alm_N, strict=True)
        ]
        table = Distributions.of(ids, source, p_NK, labels, human_N, equivalent_N)
        frame = table.frame.with_columns(pl.Series("fallback", fallback, dtype=pl.String))
        tables[source] = Distributions(frame, labels)
    return tables
