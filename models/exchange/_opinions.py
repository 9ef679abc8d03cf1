"""What people entered in a labelling tool, and the votes in it: one per annotator and utterance, the latest one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.exchange._task_matching import UtteranceFinder
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.tables import Utterances, Votes

_SCHEMA: dict[str, Any] = {
    "utterance_id": pl.String,
    "annotator_id": pl.String,
    "label": pl.List(pl.String),
    "entered_at": pl.Datetime("us", "UTC"),
    "problem": pl.String,
}


@dataclass(frozen=True)
class Opinion:
    """What one annotator entered about one task.

    Attributes:
        task: The number of the task in the tool's result, from 1.
        data: The task's data, by which its utterance is found.
        annotators: The names of the annotator, the most telling first; empty where the export has none.
        labels: The chosen labels.
        entered_at: When it was entered or last changed; the beginning of time where that is not known.
        skipped: Whether the annotator skipped the task.
        controls: The names of all controls that hold a choice, for messages.
    """

    task: int
    data: Mapping[str, Any]
    annotators: tuple[str, ...]
    labels: tuple[str, ...]
    entered_at: datetime
    skipped: bool = False
    controls: frozenset[str] = field(default_factory=frozenset)


def votes_of(
    opinions: Sequence[Opinion],
    utterances: Utterances,
    path: Path,
    *,
    id_field: str = "utterance_id",
    known_annotators: Iterable[str] = (),
    anonymous: str,
) -> tuple[Votes, pl.DataFrame]:
    """Turn what was entered into votes.

    If an annotator has several opinions about one utterance, the one that was entered last counts; without dates, the last
    in the file.

    Args:
        opinions: What was entered.
        utterances: The utterances that votes may be for, with the labels that are allowed.
        path: The tool's result, for messages.
        id_field: The field of a task's data with the utterance's id.
        known_annotators: Annotators of earlier votes. A name that is one of them, whatever its case, is that annotator.
        anonymous: The name of annotators without a name.

    Returns:
        The votes, and what cannot be used, with the columns of REJECTS.
    """
    finder = UtteranceFinder(utterances, id_field)
    known = {name.casefold(): name for name in known_annotators}
    rows = [_row(opinion, finder, known, anonymous) for opinion in opinions]
    annotations = pl.DataFrame(rows, _SCHEMA, orient="row").with_columns(file=pl.lit(str(path)))
    usable = annotations.filter(pl.col("problem").is_null()).sort("entered_at", maintain_order=True)
    is_last = usable.select(pl.struct("utterance_id", "annotator_id").is_last_distinct()).to_series()
    labels = (
        usable.filter(is_last)
        .explode("label")
        .unique(["utterance_id", "annotator_id", "label"], maintain_order=True)
    )
    is_unknown_label = ~pl.col("label").is_in(list(utterances.labels))
    votes = (
        labels.filter(~is_unknown_label)
        .select(
            "utterance_id",
            "annotator_id",
            annotator_kind=pl.lit("human"),
            label="label",
            weight=1 / pl.len().over("utterance_id", "annotator_id"),
        )
        .sort("utterance_id", "annotator_id", "label")
    )
    rejects = [
        *(
            rejected(rows, str(problem))
            for (problem,), rows in annotations.drop_nulls("problem").group_by("problem")
        ),
        rejected(usable.filter(~is_last), "replaced by a later annotation"),
        rejected(labels.filter(is_unknown_label), "unknown label", pl.col("label")),
    ]
    return Votes.check(votes, utterances.labels, str(path)), pl.concat(rejects).sort(
        pl.all(), nulls_last=True
    )


def _row(opinion: Opinion, finder: UtteranceFinder, known: dict[str, str], anonymous: str) -> tuple[Any, ...]:
    """Utterance, annotator, labels, date, and why it cannot be used."""
    utterance_id = finder.find(opinion.data)
    problem = None
    if utterance_id is None:
        problem = "vote for an unknown utterance"
    elif opinion.skipped:
        problem = "skipped by the annotator"
    elif not opinion.labels:
        problem = "no label chosen"
    given = opinion.data.get("utterance_id")
    name = utterance_id or (given if isinstance(given, str) else f"task {opinion.task}")
    return name, _annotator(opinion, known, anonymous), list(opinion.labels), opinion.entered_at, problem


def _annotator(opinion: Opinion, known: dict[str, str], anonymous: str) -> str:
    """The first name that belongs to a known annotator, else the first name."""
    names = opinion.annotators or (anonymous,)
    return next((known[name.casefold()] for name in names if name.casefold() in known), names[0])


def moment(text: str | None) -> datetime:
    """A time stamp of a labelling tool.

    Args:
        text: ISO 8601, in UTC where it names no time zone.

    Returns:
        The moment; the beginning of time where there is no readable one.
    """
    try:
        given = datetime.fromisoformat(text.strip()) if text else None
    except ValueError:
        given = None
    if given is None:
        return datetime.min.replace(tzinfo=UTC)
    return given if given.tzinfo else given.replace(tzinfo=UTC)
