"""Example utterances: the test utterances (or, where none has votes, any utterances) with the most ambiguous human votes, and their distributions."""

from __future__ import annotations

import numpy as np
import polars as pl

from ambivox.models.reporting.json_tables import format_cell
from ambivox.models.reporting.parts import DistributionRow, Example, Section
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.source_names import source_label
from ambivox.models.statistics.metrics import entropy

_SOURCES = ("human", "synthetic", "pooled")
_LEAST_VOTES = 3  # the entropy of fewer votes has little meaning


def examples(run: Run, count: int) -> Section:
    """Show the utterances with the highest entropy of the target votes: test utterances, where any has votes.

    Args:
        run: the outputs of a corpus.
        count: how many utterances to show; 0 for none.
    """
    section = Section("examples", "Ambiguous utterances")
    if run.utterances is None or run.test_targets is None or not count:
        return section
    chosen, whose = _most_ambiguous(run.utterances.in_splits("test").frame, run, count), "the test speakers"
    if not chosen.height:
        others = run.utterances.in_splits("train", "development").frame
        chosen, whose = _most_ambiguous(others, run, count), "speakers outside the test split"
    if not chosen.height:
        return section
    section.text.append(
        f"The {chosen.height} utterances of {whose} whose human votes have the highest entropy. Each bar is "
        "one distribution."
    )
    distributions = _distributions(run, chosen["utterance_id"])
    for row, (utterance_id, transcript, speaker) in enumerate(
        chosen.select("utterance_id", "transcript", "speaker").rows()
    ):
        section.examples.append(
            Example(
                utterance_id,
                format_cell(transcript) if transcript else "",
                speaker or "unknown",
                [
                    DistributionRow(source, p_NK[row], f"{votes_N[row]:.0f} votes" if votes_N[row] else "")
                    for source, (p_NK, votes_N) in distributions.items()
                ],
            )
        )
    return section


def _most_ambiguous(utterances: pl.DataFrame, run: Run, count: int) -> pl.DataFrame:
    """The utterances with the highest entropy first; ties are ordered by utterance_id."""
    assert run.test_targets is not None
    n_NK = run.test_targets.counts(utterances["utterance_id"])
    votes_N = n_NK.sum(1)
    entropy_N = np.zeros(len(votes_N))
    voted_N = votes_N > 0
    if voted_N.any():
        entropy_N[voted_N] = entropy(n_NK[voted_N] / votes_N[voted_N, None])
    enough_N = voted_N & (votes_N >= min(_LEAST_VOTES, votes_N.max(initial=0)))
    order = sorted(
        np.flatnonzero(enough_N), key=lambda row: (-entropy_N[row], utterances["utterance_id"][int(row)])
    )
    return utterances[[int(row) for row in order[:count]]]


def _distributions(run: Run, ids: pl.Series) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """``p_NK`` and ``votes_N`` (0 where they are not known) of each source that has all the utterances."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if run.heldout is not None:
        n_NK = run.heldout.counts(ids)
        found["held-back votes"] = (n_NK / np.maximum(n_NK.sum(1, keepdims=True), 1), n_NK.sum(1))
    for source in _SOURCES:
        table = run.distributions.get(source)
        if table is None or not ids.is_in(table.frame["utterance_id"].to_list()).all():
            continue
        if source == "synthetic" and not table.frame["equivalent_votes"].sum():  # no ALM answered
            continue
        votes_N = np.zeros(len(ids))
        if source == "human" and run.votes is not None:
            votes_N = run.votes.counts(ids).sum(1)
        found[source_label(source)] = (table.aligned(ids), votes_N)
    return found
