"""The sources of distributions for the same utterances: human, synthetic, combined, pooled, and two baselines.

The baselines pool the human votes without any ALM: *human_prior* with the corpus prior in one Dirichlet, *human_mixture*
with the mixture that is learned from the votes, the same model as pooled less the ALM: what pooled must beat. Where a
source has nothing for an utterance, it takes the corpus prior (of the training speakers' votes) and marks
the row in the column ``fallback``: "prior", or "alm" where ``combined`` and ``pooled`` are based on ALMs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.added import measure_added
from ambivox.models.pooling.credible import LEVEL, credible_interval
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import FIT_SPLITS, PoolingInputs, mean_over_alms, pooling_inputs
from ambivox.models.pooling.pooled import Pooled, PoolingModel, pool_blocks
from ambivox.models.pooling.response import Criterion
from ambivox.models.pooling.several_alms import read_alms
from ambivox.models.pooling.synthetic_distributions import SyntheticDistributions
from ambivox.models.pooling.vote_file import VoteCounts
from ambivox.models.pooling.worth import Worth, measure_worth
from ambivox.models.statistics.intervals import Interval
from ambivox.models.statistics.vote_counts import shares
from ambivox.models.tables import Distributions, Utterances

_MOST_MEASURED = 4_000  # utterances on which the worth is measured


@dataclass(frozen=True)
class Sources:
    """The distributions of N utterances by every source, and what they were made from.

    Attributes:
        tables: distributions by source.
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
    """Distributions of the utterances outside the split "pretrain" by all sources.

    The pooling model is fitted on the speakers of the splits train and development.

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
    votes_N = inputs.n_NK.sum(1)

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
    human_prior, human_mixture = (
        pool_blocks(baseline, inputs.n_NK, inputs.q_NAK[:, :0])
        for baseline in (model.with_prior_only(), model.without_alms())
    )
    tables = _tables(
        ids,
        labels,
        unweighted,
        {"pooled": pooled, "human_prior": human_prior, "human_mixture": human_mixture},
        model,
        mean_votes(synthetic, synthetic_votes, inputs.n_NK),
    )
    return Sources(tables, model, worth, added, synthetic, inputs, pooled, split_N)


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


def combined_counts(n_NK: np.ndarray, v_NK: np.ndarray) -> np.ndarray:
    """The paper's "combined": an ALM's votes count like human votes, ``(n + v) / (N + V)``.

    The v of exact answers are their expectation V q, so that no noise of drawing is added.

    Args:
        n_NK: human votes.
        v_NK: the ALMs' votes; 0 where none answered.

    Returns:
        ``p_NK``; nan where an utterance has neither votes nor an answer.

    Examples:
        >>> combined_counts(np.array([[3.0, 0.0]]), np.array([[0.0, 9.0]])).tolist()
        [[0.25, 0.75]]
    """
    return shares(n_NK + v_NK)


def _tables(
    ids: pl.Series,
    labels: tuple[str, ...],
    inputs: PoolingInputs,
    pooled: dict[str, Pooled],
    model: PoolingModel,
    v_NK: np.ndarray,
) -> dict[str, Distributions]:
    """One table per source, with fallbacks marked."""
    n_NK, votes_N, rows = inputs.n_NK, inputs.n_NK.sum(1), len(inputs.n_NK)
    alm_votes_N = v_NK.sum(1).round(6)
    # Per source: distributions, human votes, equivalent votes.
    columns = {
        "human": (shares(n_NK), votes_N, np.zeros(rows)),
        "synthetic": (mean_over_alms(inputs.q_NAK), np.zeros(rows), alm_votes_N),
        "combined": (combined_counts(n_NK, v_NK), votes_N, alm_votes_N),
    }
    columns |= {source: (result.p_NK, votes_N, result.kappa_NA.sum(1)) for source, result in pooled.items()}
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
        extra = [pl.Series("fallback", fallback, dtype=pl.String)]
        if source in pooled:
            extra += _uncertainty(pooled[source])
        table = Distributions.of(ids, source, p_NK, labels, human_N, equivalent_N)
        tables[source] = Distributions(table.frame.with_columns(extra), labels)
    return tables


def _uncertainty(pooled: Pooled) -> list[pl.Series]:
    """Columns that say how far a pooled distribution can be trusted.

    ``prior_votes``; ``expected_squared_error``, what the posterior expects the squared error to the true distribution to be;
    ``dominant_low`` and ``dominant_high``, the credible interval of the dominant label's probability.
    """
    rows = np.arange(len(pooled.p_NK))
    dominant_N = pooled.p_NK.argmax(1)
    p_N, mean_N = pooled.p_NK[rows, dominant_N], pooled.posterior_mean_NK[rows, dominant_N]
    low_N, high_N = credible_interval(mean_N, pooled.variance_NK[rows, dominant_N], LEVEL)
    shift_N = ((pooled.p_NK - pooled.posterior_mean_NK) ** 2).sum(1)  # 0 without a response
    return [
        pl.Series("prior_votes", pooled.prior_votes_N),
        pl.Series("expected_squared_error", pooled.variance_NK.sum(1) + shift_N),
        pl.Series("dominant_low", np.minimum(low_N, p_N)),
        pl.Series("dominant_high", np.maximum(high_N, p_N)),
    ]
