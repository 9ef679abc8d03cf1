"""The votes in an export of Label Studio: one per annotator and utterance, the latest that was entered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.exchange.label_studio.results import ANONYMOUS, Opinion, read_opinions
from ambivox.models.exchange.label_studio.task_matching import UtteranceFinder
from ambivox.models.exchange.label_studio.tasks import CHOICES_NAME
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.tables import Utterances, Votes

_SCHEMA: dict[str, Any] = {
    "utterance_id": pl.String,
    "annotator_id": pl.String,
    "label": pl.List(pl.String),
    "entered_at": pl.Datetime("us", "UTC"),
    "problem": pl.String,
}


def read_votes(
    path: Path,
    utterances: Utterances,
    *,
    control: str = CHOICES_NAME,
    id_field: str = "utterance_id",
    known_annotators: Iterable[str] = (),
) -> tuple[Votes, pl.DataFrame]:
    """Read human votes from Label Studio's result.

    An annotator is identified by the name in ``meta`` that ``write`` left, else by e-mail address, else by number. If an
    annotator has several annotations of one utterance, the one that was entered last counts; without dates, the last in
    the file.

    Args:
        path: The JSON, JSON-MIN, CSV or TSV export.
        utterances: The utterances that votes may be for, with the labels that are allowed.
        control: The name of the control with the labels.
        id_field: The field of a task's data with the utterance's id.
        known_annotators: Annotators of earlier votes. A name in the export that is one of them, whatever its case, is
            that annotator.

    Returns:
        The votes, and what cannot be used, with the columns of REJECTS.

    Raises:
        UserError: The file is not a result of Label Studio.
    """
    finder = UtteranceFinder(utterances, id_field)
    known = {name.casefold(): name for name in known_annotators}
    rows = [_row(opinion, finder, known) for opinion in read_opinions(path, control)]
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


def _row(opinion: Opinion, finder: UtteranceFinder, known: dict[str, str]) -> tuple[Any, ...]:
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
    return name, _annotator(opinion, known), list(opinion.labels), opinion.entered_at, problem


def _annotator(opinion: Opinion, known: dict[str, str]) -> str:
    """The first name that belongs to a known annotator, else the first name."""
    names = opinion.annotators or (ANONYMOUS,)
    return next((known[name.casefold()] for name in names if name.casefold() in known), names[0])
