"""Reading an export of Label Studio: every annotation as one opinion, whatever the format of the export.

JSON has a list of tasks with their annotations. JSON-MIN, CSV and TSV have one row per annotation, with the task's data,
``annotator``, ``annotation_id``, ``created_at``, ``updated_at``, and one column per control of the interface. Several
choices are JSON in that column: ``{"choices": ["anger", "fear"]}``.
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
from ambivox.models.exchange.label_studio.tasks import ANNOTATOR_KEY
from ambivox.models.ingestion.reading import read_csv
from ambivox.models.json_documents import read_json_document

EXPECTED = "a list of tasks, as Label Studio exports under JSON or JSON-MIN"
_Text = str | int | float
# Fields of a row of JSON-MIN that are no control, with those of tasks that this project writes.
_ROW_FIELDS = frozenset(
    [
        "id",
        "annotator",
        "annotation_id",
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


class _Annotation(BaseModel):
    """What one annotator entered about one task."""

    model_config = ConfigDict(extra="ignore")
    completed_by: _User | int | str | None = None
    was_cancelled: bool | None = None
    created_at: str | None = None
    updated_at: str | None = None
    result: list[_Result] | None = None


class _Task(BaseModel):
    """A task of the JSON export."""

    model_config = ConfigDict(extra="ignore")
    data: dict[str, Any] = Field(default_factory=dict)
    annotations: list[_Annotation] | None = None


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
        UserError: The file is not an export of Label Studio, or has choices under other names only.
    """
    if path.suffix.lower() in {".csv", ".tsv", ".txt"}:
        frame = read_csv(path, [control])
        return [
            _from_row(row, number, control, path) for number, row in enumerate(frame.iter_rows(named=True), 1)
        ]
    opinions: list[Opinion] = []
    tasks: list[dict[str, Any]] = read_json_document(path, _TASKS, EXPECTED)
    for number, task in enumerate(tasks, 1):
        if "annotations" not in task and "annotation_id" in task:
            opinions.append(_from_row(task, number, control, path))
        else:
            opinions.extend(_from_task(task, number, control, path))
    _check_control(opinions, control, path)
    return opinions


def _from_task(task: dict[str, Any], number: int, control: str, path: Path) -> Iterator[Opinion]:
    try:
        parsed = _TASK.validate_python(task)
    except ValidationError as error:
        raise _unreadable(path, number, error) from error
    for annotation in parsed.annotations or []:
        results = annotation.result or []
        metas = [
            result.meta[ANNOTATOR_KEY] for result in results if result.meta and ANNOTATOR_KEY in result.meta
        ]
        user = annotation.completed_by
        names = [*metas, *((user.email, user.id) if isinstance(user, _User) else (user,))]
        yield Opinion(
            task=number,
            data=parsed.data,
            annotators=tuple(dict.fromkeys(str(name).strip() for name in names if name not in (None, ""))),
            labels=tuple(
                label
                for result in results
                if result.from_name == control and result.value
                for label in result.value.chosen()
            ),
            entered_at=moment(annotation.updated_at or annotation.created_at),
            skipped=bool(annotation.was_cancelled),
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
    annotator = row.get("annotator")
    names = [annotator.get("email"), annotator.get("id")] if isinstance(annotator, dict) else [annotator]
    date = row.get("updated_at") or row.get("created_at")
    return Opinion(
        task=number,
        data=row,
        annotators=tuple(str(name).strip() for name in names if name not in (None, "")),
        labels=tuple(label for item in values for label in item.chosen()),
        entered_at=moment(date if isinstance(date, str) else None),
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
