"""What the report says about each utterance: its distribution, its ambiguity, and what another vote would improve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from ambivox.models.reporting.reading import Run
from ambivox.models.statistics.dirichlet_posterior import concentration, expected_fall
from ambivox.models.statistics.metrics import entropy, jensen_shannon
from ambivox.models.statistics.vote_counts import shares
from ambivox.models.tables import Distributions

#: The distribution of an utterance is that of the first of these sources that a run has.
_BEST_SOURCES = ("pooled", "combined", "human")
#: Fewer votes say little about how far humans and the ALM disagree.
LEAST_VOTES = 3


@dataclass(frozen=True)
class UtteranceFigures:
    """Figures of N utterances with K labels.

    Attributes:
        frame: the utterances, in the order of the corpus.
        labels: the K labels.
        source: where ``p_NK`` is from: a key of SOURCE_NAMES.
        p_NK: one distribution per utterance.
        votes_NK: all human votes, those that were held out included.
        entropy_N: ambiguity of ``p_NK``, in bits.
        disagreement_N: JS divergence (base 2) between the human votes and the ALM's answer; nan where one of them is
            missing, or where there are fewer than LEAST_VOTES votes.
        gain_N: by how much one more vote is expected to lower the squared error of ``p_NK``; nan where it is not known.
    """

    frame: pl.DataFrame
    labels: tuple[str, ...]
    source: str
    p_NK: np.ndarray
    votes_NK: np.ndarray
    entropy_N: np.ndarray
    disagreement_N: np.ndarray
    gain_N: np.ndarray

    def dominant(self) -> list[str]:
        """Return the label of the largest probability of each utterance."""
        return [self.labels[k] for k in self.p_NK.argmax(1)]


def utterance_figures(run: Run) -> UtteranceFigures | None:
    """Return the figures of all utterances that have a distribution; None where there are no such utterances.

    Args:
        run: the outputs of a corpus.
    """
    if run.utterances is None:
        return None
    source = next((name for name in _BEST_SOURCES if name in run.distributions), None)
    frame = run.utterances.frame
    if source is not None:
        table = run.distributions[source]
        frame = frame.join(table.frame.select("utterance_id"), on="utterance_id", maintain_order="left")
    votes_NK = _all_votes(run, frame["utterance_id"])
    if source is None:
        has_votes_N = votes_NK.sum(1) > 0
        frame, votes_NK = frame.filter(pl.Series(has_votes_N)), votes_NK[has_votes_N]
    if not frame.height:
        return None
    ids = frame["utterance_id"]
    p_NK = shares(votes_NK) if source is None else run.distributions[source].aligned(ids)
    return UtteranceFigures(
        frame,
        run.utterances.labels,
        source or "human",
        p_NK,
        votes_NK,
        entropy(p_NK),
        _disagreement(run, ids, votes_NK),
        np.full(len(p_NK), np.nan) if source != "pooled" else _gain(run.distributions["pooled"], ids),
    )


def posterior_weight(table: Distributions, utterance_ids: pl.Series) -> np.ndarray:
    """Return how many votes each distribution counts for, ``weight_N``.

    Args:
        table: distributions of the source pooled. Those of earlier versions have no expected squared error; there, it is the
            sum of the human, equivalent and, where they are known, prior votes.
        utterance_ids: N utterances of it.
    """
    ids = pl.DataFrame({"utterance_id": utterance_ids})
    rows = ids.join(table.frame, on="utterance_id", how="left", maintain_order="left")
    if "expected_squared_error" in rows.columns:
        p_NK = rows.select(table.labels).to_numpy()
        return concentration(p_NK, rows["expected_squared_error"].to_numpy())
    columns = ("human_votes", "equivalent_votes", "prior_votes")
    return (
        rows.select(pl.sum_horizontal(name for name in columns if name in rows.columns))
        .to_series()
        .to_numpy()
    )


def answered(table: Distributions, utterance_ids: pl.Series) -> np.ndarray:
    """Return which utterances a source has answers for (elsewhere, its distribution is the same for all).

    Args:
        table: distributions of the source.
        utterance_ids: N utterances.
    """
    frame = table.frame
    if "fallback" in frame.columns:
        frame = frame.filter(pl.col("fallback").is_null() | (pl.col("fallback") != "prior"))
    elif table.frame["source"].eq("synthetic").all():
        frame = frame.filter(pl.col("equivalent_votes") > 0)
    return utterance_ids.is_in(frame["utterance_id"].implode()).to_numpy()


def _all_votes(run: Run, ids: pl.Series) -> np.ndarray:
    tables = [table for table in (run.votes, run.heldout) if table is not None]
    labels = run.utterances.labels if run.utterances is not None else ()
    n_NK = np.zeros((len(ids), len(labels)))
    for table in tables:
        n_NK += table.counts(ids)
    return n_NK


def _disagreement(run: Run, ids: pl.Series, votes_NK: np.ndarray) -> np.ndarray:
    js_N = np.full(len(ids), np.nan)
    table = run.distributions.get("synthetic")
    if table is None:
        return js_N
    known_N = answered(table, ids) & (votes_NK.sum(1) >= LEAST_VOTES)
    if known_N.any():
        js_N[known_N] = jensen_shannon(
            shares(votes_NK[known_N]), table.aligned(ids.filter(pl.Series(known_N)))
        )
    return js_N


def _gain(table: Distributions, ids: pl.Series) -> np.ndarray:
    return expected_fall(table.aligned(ids), posterior_weight(table, ids))
