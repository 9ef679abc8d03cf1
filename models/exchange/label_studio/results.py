"""Reading an export of Label Studio: every annotation as one opinion, whatever the format of the export.

JSON has a list of tasks with their annotations. JSON-MIN, CSV and TSV have one row per annotation, with the task's data,
``annotator``, ``annotation_id``, ``created_at``, ``updated_at``, and one column per control of the interface. Several
choices are JSON in that column: ``{"choices": ["anger", "fear"]}``. Before version 1.0, annotations were called
``completions``, dates were seconds since 1970, and rows of JSON-MIN had no ``annotation_id``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ambivox.models.errors import UserError
from ambivox.models.exchange._opinions import Opinion, moment
from ambivox.models.exchange._raters import names_of
from ambivox.models.exchange.label_studio.tasks import ANNOTATOR_KEY
from ambivox.models.ingestion.reading import read_csv
from ambivox.models.json_documents import read_json_document

EXPECTED = "a list of tasks, as Label Studio exports under JSON or JSON-MIN"
_MOST_SHOWN = 8
_Text = str | int | float
_ANNOTATIONS = frozenset({"annotations", "completions"})
# Fields of a row of JSON-MIN that are no control, with those of tasks that this project writes.
_ROW_FIELDS = frozenset(
    [
        "id",
        "annotator",
        "annotation_id",
        "completion_id",
        "was_cancelled",
        "skipped",
        "created_at",
        "updated_at",
        "lead_time",
        "audio",
        "utterance_id",
        "transcript",
        "corpus",
        "speaker",
    ]
)


class _Value(BaseModel):
    """What was chosen: choices, the paths of a taxonomy, or the labels of a region."""

    model_config = ConfigDict(extra="ignore")
    choices: list[_Text] | _Text | None = None
    taxonomy: list[list[_Text]] | None = None
    labels: list[_Text] | None = None

    def chosen(self) -> list[str]:
        """The labels."""
        several = self.choices if isinstance(self.choices, list) else [self.choices]
        leaves = [path[-1] for path in self.taxonomy or [] if path]
        return [str(label) for label in [*several, *leaves, *(self.labels or [])] if label is not None]


class _Result(BaseModel):
    """What an annotator entered into one control of the interface."""

    model_config = ConfigDict(extra="ignore")
    from_name: str | None = None
    value: _Value | None = None
    meta: dict[str, Any] | None = None


class _User(BaseModel):
    """A member of the project."""

    model_config = ConfigDict(extra="ignore")
    id: int | str | None = None
    email: str | None = None
    username: str | None = None


class _Annotation(BaseModel):
    """What one annotator entered about one task."""

    model_config = ConfigDict(extra="ignore")
    id: _Text | None = None
    completed_by: _User | int | str | None = None
    was_cancelled: bool | None = None
    skipped: bool | None = None
    created_at: _Text | None = None
    updated_at: _Text | None = None
    parent_annotation: Any = None
    result: list[_Result] | None = None


class _Task(BaseModel):
    """A task of the JSON export."""

    model_config = ConfigDict(extra="ignore")
    data: dict[str, Any] = Field(default_factory=dict)
    annotations: list[_Annotation] | None = None
    completions: list[_Annotation] | None = None


_TASKS: TypeAdapter[list[dict[str, Any]]] = TypeAdapter(list[dict[str, Any]])
_TASK = TypeAdapter(_Task)
_VALUE = TypeAdapter(_Value | list[_Value])


def read_opinions(path: Path, control: str) -> list[Opinion]:
    """Read all annotations of an export.

    Args:
        path: The export: .csv, .tsv, or JSON.
        control: The name of the control with the labels.

    Returns:
        The opinions in the order of the file.

    Raises:
        UserError: The file is not an export of Label Studio, has neither annotations nor the control, or has choices under
            other names only.
    """
    if path.suffix.lower() in {".csv", ".tsv", ".txt"}:
        frame = read_csv(path, [control])
        return [
            _from_row(row, number, control, path) for number, row in enumerate(frame.iter_rows(named=True), 1)
        ]
    opinions: list[Opinion] = []
    tasks: list[dict[str, Any]] = read_json_document(path, _TASKS, EXPECTED)
    is_recognised = not tasks
    for number, task in enumerate(tasks, 1):
        if "data" in task or not _ANNOTATIONS.isdisjoint(task):
            is_recognised = is_recognised or not _ANNOTATIONS.isdisjoint(task)
            opinions.extend(_from_task(task, number, control, path))
        else:
            is_recognised = is_recognised or control in task
            opinions.append(_from_row(task, number, control, path))
    _check_control(opinions, control, path)
    if not is_recognised:
        fields = sorted({name for task in tasks for name in task})
        raise UserError(
            f"{path}: expected {EXPECTED}, with annotations or a field {control!r} (--control); found only the fields "
            f"{', '.join(fields[:_MOST_SHOWN]) or 'of empty tasks'}"
        )
    return opinions


def _from_task(task: dict[str, Any], number: int, control: str, path: Path) -> Iterator[Opinion]:
    try:
        parsed = _TASK.validate_python(task)
    except ValidationError as error:
        raise _unreadable(path, number, error) from error
    for annotation in [*(parsed.annotations or []), *(parsed.completions or [])]:
        results = annotation.result or []
        metas = [
            name
            for result in results
            if result.meta and (name := str(result.meta.get(ANNOTATOR_KEY) or "").strip())
        ]
        user = annotation.completed_by
        names, user_number = names_of(user.model_dump() if isinstance(user, _User) else user)
        # A copy of an annotation keeps its meta, but somebody else made it.
        if metas and annotation.parent_annotation is None:
            names, user_number = tuple(dict.fromkeys(metas)), ""
        yield Opinion(
            task=number,
            data=parsed.data,
            annotators=names,
            number=user_number,
            annotation="" if annotation.id is None else str(annotation.id),
            labels=tuple(
                label
                for result in results
                if result.from_name == control and result.value
                for label in result.value.chosen()
            ),
            entered_at=moment(annotation.updated_at or annotation.created_at),
            skipped=bool(annotation.was_cancelled or annotation.skipped),
            controls=frozenset(
                result.from_name
                for result in results
                if result.from_name and result.value and result.value.chosen()
            ),
        )


def _from_row(row: dict[str, Any], number: int, control: str, path: Path) -> Opinion:
    """The opinion in a row of JSON-MIN or CSV, which has the annotation among the task's data."""
    value = row.get(control)
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        with contextlib.suppress(ValueError, RecursionError):  # a label may begin with a bracket, too
            value = json.loads(value)
    if isinstance(value, list):
        value = {"choices": value} if all(isinstance(item, _Text) for item in value) else value
    try:
        parsed = _VALUE.validate_python(value if isinstance(value, dict | list) else {"choices": value})
    except ValidationError as error:
        raise _unreadable(path, number, error) from error
    values = parsed if isinstance(parsed, list) else [parsed]
    names, user_number = names_of(row.get("annotator"))
    date = row.get("updated_at") or row.get("created_at")
    annotation = row.get("annotation_id") or row.get("completion_id")
    return Opinion(
        task=number,
        data=row,
        annotators=names,
        number=user_number,
        annotation=str(annotation) if isinstance(annotation, _Text) else "",
        labels=tuple(label for item in values for label in item.chosen()),
        entered_at=moment(date if isinstance(date, _Text) else None),
        skipped=any(str(row.get(name)).casefold() == "true" for name in ("was_cancelled", "skipped")),
        controls=frozenset({control} if control in row else set(row) - _ROW_FIELDS),
    )


def _check_control(opinions: list[Opinion], control: str, path: Path) -> None:
    """Check that the labels are where they are looked for, unless nobody chose anything."""
    names = {name for opinion in opinions for name in opinion.controls}
    if names and control not in names:
        raise UserError(
            f"{path}: no control of the name {control!r} holds a choice; found {', '.join(sorted(names))}; name the one "
            "with the labels by --control"
        )


def _unreadable(path: Path, number: int, error: ValidationError) -> UserError:
    from ambivox.models.document_faults import describe

    return UserError(f"{path}: expected {EXPECTED}; task {number}: {describe(error)}")
