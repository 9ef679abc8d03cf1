"""An utterance as the report shows it: every source's distribution with its interval, the votes and the transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ambivox.models.pooling.credible import LEVEL, credible_interval
from ambivox.models.reporting.json_tables import format_cell
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.source_names import source_label
from ambivox.models.reporting.utterance_figures import UtteranceFigures, answered, posterior_weight
from ambivox.models.statistics.dirichlet_posterior import variance
from ambivox.models.statistics.vote_counts import shares

_COUNTED_SOURCES = ("synthetic", "combined", "pooled")
_JEFFREYS = 0.5  # votes that Jeffreys' prior adds for a label, and for the absence of it


@dataclass(frozen=True)
class SourceColumn:
    """One source's distribution of an utterance.

    Attributes:
        source: the name that a reader sees.
        note: how many votes it is from; empty where that is no number of votes.
        p_K: the distribution.
        low_K: lower ends of its intervals; nan where there are none.
        high_K: upper ends.
    """

    source: str
    note: str
    p_K: np.ndarray
    low_K: np.ndarray
    high_K: np.ndarray


@dataclass(frozen=True)
class ExampleCard:
    """One utterance. ``votes`` has a sentence about each kind of human vote."""

    utterance_id: str
    speaker: str
    split: str
    transcript: str
    votes: list[str]
    columns: list[SourceColumn]


def example_cards(run: Run, figures: UtteranceFigures, rows: Sequence[int]) -> list[ExampleCard]:
    """Return the cards of some utterances, in their order.

    Intervals: of human votes, Jeffreys' interval of a share; of the ALM, the 5th to the 95th percentile over its prompts; of
    pooled, the credible interval. Combined has none.

    Args:
        run: the outputs of a corpus.
        figures: of the utterances.
        rows: of the figures.
    """
    chosen = figures.frame[list(rows)]
    ids = chosen["utterance_id"]
    none_NK = np.full((len(ids), len(figures.labels)), np.nan)
    votes = {
        name: table.counts(ids)
        for name, table in (("human votes", run.votes), ("held out", run.heldout))
        if table is not None
    }
    columns: list[list[SourceColumn]] = [[] for _ in rows]
    for name, n_NK in votes.items():
        low_NK, high_NK = _vote_interval(n_NK)
        _add(columns, name, n_NK.sum(1) > 0, n_NK.sum(1), shares(n_NK), (low_NK, high_NK))
    for source in _COUNTED_SOURCES:
        table = run.distributions.get(source)
        if table is None:
            continue
        has_answer_N = answered(table, ids)
        if source == "combined" and "synthetic" in run.distributions:
            # Without the ALM's votes it is the human votes again.
            has_answer_N &= answered(run.distributions["synthetic"], ids)
        p_NK = none_NK.copy()
        known = ids.filter(pl.Series(has_answer_N))
        p_NK[has_answer_N] = table.aligned(known)
        interval = (none_NK, none_NK)
        if source == "synthetic":
            interval = _prompt_interval(run, ids, len(figures.labels))
        elif source == "pooled":
            low_NK, high_NK = none_NK.copy(), none_NK.copy()
            variance_NK = variance(p_NK[has_answer_N], posterior_weight(table, known))
            low_NK[has_answer_N], high_NK[has_answer_N] = credible_interval(
                p_NK[has_answer_N], variance_NK, LEVEL
            )
            interval = (low_NK, high_NK)
        _add(columns, source_label(source), has_answer_N, np.zeros(len(ids)), p_NK, interval)
    return [
        ExampleCard(
            utterance_id,
            speaker or "unknown",
            split,
            format_cell(transcript) if transcript else "",
            [
                f"{name[0].upper()}{name[1:]}: {text}"
                for name, n_NK in votes.items()
                if (text := _in_words(n_NK[place], figures.labels))
            ],
            columns[place],
        )
        for place, (utterance_id, speaker, split, transcript) in enumerate(
            chosen.select("utterance_id", "speaker", "split", "transcript").rows()
        )
    ]


def _add(
    columns: list[list[SourceColumn]],
    name: str,
    known_N: np.ndarray,
    votes_N: np.ndarray,
    p_NK: np.ndarray,
    interval: tuple[np.ndarray, np.ndarray],
) -> None:
    """Add a source's column to the utterances that it knows."""
    low_NK, high_NK = interval
    for place in np.flatnonzero(known_N):
        note = f"{votes_N[place]:g}" if votes_N[place] else ""
        columns[place].append(SourceColumn(name, note, p_NK[place], low_NK[place], high_NK[place]))


def _vote_interval(n_NK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Jeffreys' interval of every label's share of the votes."""
    votes_N1 = n_NK.sum(1, keepdims=True)
    p_NK = (n_NK + _JEFFREYS) / (votes_N1 + 2 * _JEFFREYS)
    return credible_interval(p_NK, variance(p_NK, votes_N1[:, 0] + 2 * _JEFFREYS), LEVEL)


def _prompt_interval(run: Run, ids: pl.Series, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """The range of the ALM's exact answers over its prompts; nan where an utterance has fewer than two."""
    low_NK = np.full((len(ids), labels), np.nan)
    high_NK = low_NK.copy()
    if run.annotations is None:
        return low_NK, high_NK
    exact = run.annotations.frame.filter(pl.col("utterance_id").is_in(ids.implode())).drop_nulls("logprobs")
    answers = dict(exact.group_by("utterance_id").agg("logprobs").iter_rows())
    for place, utterance_id in enumerate(ids):
        p_MK = np.exp(np.array(answers.get(utterance_id, []), dtype=float))
        if len(p_MK) > 1:
            p_MK = p_MK / p_MK.sum(1, keepdims=True)
            low_NK[place], high_NK[place] = np.quantile(p_MK, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low_NK, high_NK


def _in_words(n_K: np.ndarray, labels: tuple[str, ...]) -> str:
    """Votes, the most frequent label first, such as "sadness 2, neutral 1"; empty without votes."""
    order = sorted(np.flatnonzero(n_K), key=lambda k: (-n_K[k], k))
    return ", ".join(f"{labels[k]} {n_K[k]:.3g}" for k in order)
