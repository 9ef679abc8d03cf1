"""What people chose in Potato, from each of the files in which its versions keep it; see ``potato``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ambivox.models.document_faults import describe
from ambivox.models.errors import UserError
from ambivox.models.exchange._potato_entries import Entry, is_human
from ambivox.models.exchange._potato_tables import read_table
from ambivox.models.ingestion.reading import decode_text
from ambivox.models.json_documents import read_json_document
from ambivox.models.regular_files import read_bytes

OUTPUT = "annotation_output"
STATE = "user_state.json"
_OLD = "annotated_instances.jsonl"  # of Potato 1, in a folder per annotator
# Files with the choices of all annotators: of Potato 1, and what Potato 2 exports.
_OF_ALL = ("annotated_instances", "annotations")
_TABLES = (".csv", ".tsv", ".txt")
_LINES_SUFFIXES = (".jsonl", ".json")
_EXPECTED_STATE = "what Potato keeps of an annotator, with instance_id_to_label_to_value"
_EXPECTED_LINES = "a line of Potato's annotations.jsonl"


class _Label(BaseModel):
    """A label of one question."""

    model_config = ConfigDict(extra="ignore")
    question: str = Field(alias="schema")
    name: str


class _State(BaseModel):
    """What Potato keeps of an annotator."""

    model_config = ConfigDict(extra="ignore")
    user_id: str | None = None
    origin: Any = None
    chosen: dict[str, list[tuple[_Label, Any]]] = Field(alias="instance_id_to_label_to_value")


class _Line(BaseModel):
    """A line of annotations.jsonl, or of Potato 1."""

    model_config = ConfigDict(extra="ignore")
    instance_id: str = Field(validation_alias=AliasChoices("instance_id", "id"))
    user_id: str | None = None
    origin: Any = Field(default=None, validation_alias="annotator_origin")
    labels: dict[str, dict[str, Any]] = Field(
        default_factory=dict, validation_alias=AliasChoices("labels", "label_annotations")
    )


_STATES: TypeAdapter[_State] = TypeAdapter(_State)
_LINE: TypeAdapter[_Line] = TypeAdapter(_Line)
_LIST: TypeAdapter[list[_Line]] = TypeAdapter(list[_Line])


def read_entries(path: Path, control: str) -> list[Entry]:
    """Read what was chosen.

    Args:
        path: The project's folder, its annotation_output, a table, or a file with a line per annotation.
        control: The name of the scheme with the labels.

    Returns:
        What was chosen, in the order of the files.

    Raises:
        UserError: There is no result of Potato.
    """
    return list(_of_folder(path, control) if path.is_dir() else _of_file(path, control))


def _of_folder(folder: Path, control: str) -> Iterator[Entry]:
    output = folder / OUTPUT if (folder / OUTPUT).is_dir() else folder
    if files := sorted(output.glob(f"*/{STATE}")):
        for file in files:
            yield from _of_state(file)
        return
    old = sorted(
        file
        for file in {*output.glob(f"*/{_OLD}"), *output.glob(f"*/*/{_OLD}")}
        if not _annotators_below(file.parent)
    )
    for file in old or [_file_of_all(folder, output)]:
        yield from _of_file(file, control)


def _of_state(file: Path) -> Iterator[Entry]:
    state = read_json_document(file, _STATES, _EXPECTED_STATE)
    for utterance_id, pairs in state.chosen.items():
        values: dict[str, dict[str, Any]] = {}
        for label, value in pairs:
            values.setdefault(label.question, {})[label.name] = value
        yield Entry(state.user_id or file.parent.name, utterance_id, values, is_human(state.origin))


def _file_of_all(folder: Path, output: Path) -> Path:
    """The one file of a folder that holds the choices of all annotators."""
    places = (output, *sorted(output.glob("*")), *sorted(output.glob("exports/*")))
    names = [name + suffix for name in _OF_ALL for suffix in (*_TABLES, *_LINES_SUFFIXES)]
    found = [place / name for place in places for name in names if (place / name).is_file()]
    if not found:
        raise UserError(
            f"{folder}: no annotation_output/ANNOTATOR/{STATE} here, and no annotated_instances or annotations in CSV, TSV or "
            "JSONL; expected a project that Potato ran"
        )
    if len(found) > 1:
        shown = ", ".join(str(file.relative_to(folder)) for file in found)
        raise UserError(f"{folder}: several results of Potato: {shown}; name the one to read by --source")
    return found[0]


def _annotators_below(folder: Path) -> list[str]:
    """The folders of Potato 1's annotators in a folder."""
    return sorted(file.parent.name for file in folder.glob(f"*/{_OLD}"))


def _of_file(path: Path, control: str) -> Iterator[Entry]:
    if path.suffix.casefold() in _TABLES:
        yield from read_table(path, control)
        return
    if path.name == STATE:
        yield from _of_state(path)
        return
    lines = list(_lines_of(path))
    folder = None
    # Potato 1 names an annotator by the folder only; the file of all annotators beside those folders names nobody.
    if path.name == _OLD and not all(line.user_id for line in lines):
        if below := _annotators_below(path.parent):
            raise UserError(
                f"{path}: names no annotators; give the folder {path.parent}, in which each has a folder ({', '.join(below[:5])})"
            )
        if len({line.instance_id for line in lines}) == len(lines):
            folder = path.absolute().parent.name
    for line in lines:
        yield Entry(line.user_id or folder, line.instance_id, line.labels, is_human(line.origin))


def _lines_of(path: Path) -> Iterator[_Line]:
    """The annotations of a file with one per line, or of a list in JSON."""
    text, is_unicode = decode_text(read_bytes(path, "Potato's annotations.jsonl"))
    if not is_unicode:
        raise UserError(f"{path}: not text in UTF-8 or UTF-16; expected Potato's annotations.jsonl")
    if path.suffix.casefold() == ".json" and text.lstrip().startswith("["):
        try:
            yield from _LIST.validate_json(text)
        except ValidationError as error:
            raise UserError(f"{path}: expected a list of Potato's annotations, {describe(error)}") from error
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield _LINE.validate_json(line)
            except ValidationError as error:
                raise UserError(f"{path}:{number}: expected {_EXPECTED_LINES}: {describe(error)}") from error
