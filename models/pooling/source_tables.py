"""Tables of distributions, one per source: where a source has nothing of an utterance's own, a prior, marked as a fallback.

Pooled distributions are then the mean of their own prior: of the mixture, or for *human_prior* of the Dirichlet around the
corpus prior. Elsewhere, the corpus prior takes the place of what is missing.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from ambivox.models.pooling.credible import LEVEL, credible_interval
from ambivox.models.pooling.inputs import PoolingInputs, mean_over_alms
from ambivox.models.pooling.pooled import Pooled, PoolingModel
from ambivox.models.statistics.vote_counts import shares
from ambivox.models.tables import Distributions


def source_tables(
    ids: pl.Series,
    inputs: PoolingInputs,
    pooled: dict[str, Pooled],
    model: PoolingModel,
    v_NK: np.ndarray,
) -> dict[str, Distributions]:
    """One table per source, with fallbacks marked.

    Args:
        ids: N utterances.
        inputs: their votes, each with weight 1, and the ALMs' distributions.
        pooled: the pooled distributions by source.
        model: whose labels and prior are used.
        v_NK: the ALMs' votes in ``combined``.

    Returns:
        ``human``, ``synthetic``, ``combined`` and the sources of ``pooled``.
    """
    labels = model.labels
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
        if source in pooled:  # equivalent votes do not tell: an answer may make a posterior no more certain
            from_prior_N, from_alm_N = pooled[source].from_prior_N, pooled[source].from_alm_N
        else:
            from_prior_N = ~np.isfinite(p_NK).all(1) | (human_N + equivalent_N <= 0)
            from_alm_N = (human_N <= 0) & ~from_prior_N & (source == "combined")
            p_NK = np.where(from_prior_N[:, None], model.prior_K, p_NK)
        p_NK = p_NK / p_NK.sum(1, keepdims=True)
        fallback = [
            "prior" if from_prior else "alm" if from_alm else None
            for from_prior, from_alm in zip(from_prior_N, from_alm_N, strict=True)
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
