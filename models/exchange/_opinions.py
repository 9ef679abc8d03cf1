"""What people entered in a labelling tool, and the votes in it: one per annotator and utterance, the latest one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.exchange._raters import Raters
from ambivox.models.exchange._task_matching import UtteranceFinder
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.label_spellings import LabelSpellings, check_labels
from ambivox.models.tables import Utterances, Votes

ID_FIELD = "utterance_id"
_UNDATED = datetime.min.replace(tzinfo=UTC)
_SCHEMA: dict[str, Any] = {
    "utterance_id": pl.String,
    "annotator_id": pl.String,
    "label": pl.List(pl.String),
    "entered_at": pl.Datetime("us", "UTC"),
    "problem": pl.String,
    "detail": pl.String,
}


@dataclass(frozen=True)
class Opinion:
    """What one annotator entered about one task.

    Attributes:
        task: The number of the task in the tool's result, from 1.
        data: The task's data, by which its utterance is found.
        annotators: The names of the annotator, the most telling first; empty where the export has none.
        number: The number by which the tool knows the annotator; "" where the export has none.
        annotation: What identifies the annotation in the tool; "" where the export has nothing.
        labels: The chosen labels.
        entered_at: When it was entered or last changed; the beginning of time where that is not known.
        skipped: Whether the annotator skipped the task.
        controls: The names of all controls that hold a choice, for messages.
        is_human: Whether a person entered it, not a program.
    """

    task: int
    data: Mapping[str, Any]
    annotators: tuple[str, ...]
    labels: tuple[str, ...]
    entered_at: datetime
    skipped: bool = False
    controls: frozenset[str] = field(default_factory=frozenset)
    number: str = ""
    annotation: str = ""
    is_human: bool = True


def votes_of(
    opinions: Sequence[Opinion],
    utterances: Utterances,
    path: Path,
    *,
    id_field: str = ID_FIELD,
    known_annotators: Iterable[str] = (),
    imported_annotators: Iterable[str] = (),
    tool: str,
) -> tuple[Votes, pl.DataFrame]:
    """Turn what was entered into votes.

    If an annotator has several opinions about one utterance, the one that was entered last counts; without dates, the last
    in the file. Labels are compared without case, blanks and marks that cannot be seen.

    Args:
        opinions: What was entered.
        utterances: The utterances that votes may be for, with the labels that are allowed.
        path: The tool's result, for messages.
        id_field: The field of a task's data with the utterance's id.
        known_annotators: Annotators of earlier votes. A name that is one of them, whatever its case, is that annotator.
        imported_annotators: Annotators of earlier imports, which the tool's numbers may mean.
        tool: The tool's key, with which the names of annotators without a name begin.

    Returns:
        The votes, with a column ``entered_at`` where any date is known, and what cannot be used, with the columns of
        REJECTS.

    Raises:
        UserError: No task has the field ``id_field``, or none of the labels is known.
    """
    if opinions and id_field != ID_FIELD and not any(id_field in opinion.data for opinion in opinions):
        names = sorted({str(name) for opinion in opinions for name in opinion.data})
        raise UserError(
            f"{path}: no task has a field {id_field!r}; found {', '.join(names) or 'no fields'}; name the one with the "
            "utterance's id by --id-field"
        )
    finder = UtteranceFinder(utterances, id_field)
    raters = Raters(known_annotators, imported_annotators, tool)
    spellings = LabelSpellings(utterances.labels)
    rows = [
        _row(
            opinion,
            finder,
            raters.name(opinion.annotators, opinion.number, opinion.annotation, number),
            spellings,
        )
        for number, opinion in enumerate(opinions, 1)
    ]
    annotations = pl.DataFrame(rows, _SCHEMA, orient="row").with_columns(file=pl.lit(str(path)))
    usable = annotations.filter(pl.col("problem").is_null()).sort("entered_at", maintain_order=True)
    is_last = usable.select(pl.struct("utterance_id", "annotator_id").is_last_distinct()).to_series()
    labels = (
        usable.filter(is_last)
        .explode("label")
        .unique(["utterance_id", "annotator_id", "label"], maintain_order=True)
    )
    is_unknown_label = ~pl.col("label").is_in(list(utterances.labels))
    unknown = labels.filter(is_unknown_label)
    check_labels(unknown["label"], labels.height, utterances.labels, path)
    votes = (
        labels.filter(~is_unknown_label)
        .select(
            "utterance_id",
            "annotator_id",
            annotator_kind=pl.lit("human"),
            label="label",
            weight=1 / pl.len().over("utterance_id", "annotator_id"),
            entered_at=pl.when(pl.col("entered_at") != _UNDATED).then("entered_at"),
        )
        .sort("utterance_id", "annotator_id", "label")
    )
    if not votes["entered_at"].count():
        votes = votes.drop("entered_at")
    rejects = [
        rejected(annotations.clear(), ""),
        *(
            rejected(rows, str(problem), pl.col("detail"))
            for (problem,), rows in annotations.drop_nulls("problem").group_by("problem")
        ),
        rejected(usable.filter(~is_last), "replaced by a later annotation"),
        rejected(unknown, "unknown label", pl.col("label")),
    ]
    return Votes.check(votes, utterances.labels, str(path)), pl.concat(rejects).sort(
        pl.all(), nulls_last=True
    )


def _row(
    opinion: Opinion, finder: UtteranceFinder, annotator: str, spellings: LabelSpellings
) -> tuple[Any, ...]:
    """Utterance, annotator, labels, date, why it cannot be used, and what was found then."""
    utterance_id, problem, detail = finder.find(opinion.data)
    if not problem:
        if not opinion.is_human:
            problem, detail = "vote of an ALM or a program (import-annotations takes them)", annotator
        elif opinion.skipped:
            problem = "skipped by the annotator"
        elif not opinion.labels:
            problem = "no label chosen"
    given = finder.given_id(opinion.data)
    name = utterance_id or given or f"task {opinion.task}"
    labels = [spellings.find(label) or label for label in opinion.labels]
    return name, annotator, labels, opinion.entered_at, problem or None, detail


def moment(text: str | float | None) -> datetime:
    """A time stamp of a labelling tool.

    Args:
        text: ISO 8601, in UTC where it names no time zone; or seconds since 1970.

    Returns:
        The moment; the beginning of time where there is no readable one.
    """
    try:
        if isinstance(text, str):
            given = datetime.fromisoformat(text.strip()) if text else None
        else:
            given = None if text is None else datetime.fromtimestamp(text, UTC)
    except (ValueError, OverflowError, OSError):
        given = None
    if given is None:
        return _UNDATED
    return given if given.tzinfo else given.replace(tzinfo=UTC)
