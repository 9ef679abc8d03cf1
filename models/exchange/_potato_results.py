"""What people chose in Potato, from each of the files in which its versions keep it; see ``potato``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ambivox.models.document_faults import describe
from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text
from ambivox.models.json_documents import read_json_document

OUTPUT = "annotation_output"
STATE = "user_state.json"
_OLD = "annotated_instances.jsonl"  # of Potato 1, in a folder per annotator
_EXPECTED_STATE = "what Potato keeps of an annotator, with instance_id_to_label_to_value"
# How versions and kinds of questions store what was not chosen.
_NOT_CHOSEN = frozenset({"", "false", "off", "0", "0.0", "none", "null"})


class _Label(BaseModel):
    """A label of one question."""

    model_config = ConfigDict(extra="ignore")
    question: str = Field(alias="schema")
    name: str


class _State(BaseModel):
    """What Potato keeps of an annotator."""

    model_config = ConfigDict(extra="ignore")
    user_id: str | None = None
    chosen: dict[str, list[tuple[_Label, Any]]] = Field(alias="instance_id_to_label_to_value")


class _Line(BaseModel):
    """A line of annotations.jsonl, or of Potato 1."""

    model_config = ConfigDict(extra="ignore")
    instance_id: str = Field(validation_alias=AliasChoices("instance_id", "id"))
    user_id: str | None = None
    labels: dict[str, dict[str, Any]] = Field(
        default_factory=dict, validation_alias=AliasChoices("labels", "label_annotations")
    )


_STATES: TypeAdapter[_State] = TypeAdapter(_State)
_LINES: TypeAdapter[_Line] = TypeAdapter(_Line)
Entry = tuple[str | None, str, dict[str, list[str]]]


def read_entries(path: Path) -> list[Entry]:
    """Read what was chosen.

    Args:
        path: The project's folder, its annotation_output, or a file with a line per annotation.

    Returns:
        Annotator, utterance, and chosen labels by scheme.

    Raises:
        UserError: There is no result of Potato.
    """
    return list(_of_folder(path) if path.is_dir() else _of_file(path))


def _of_folder(folder: Path) -> Iterator[Entry]:
    output = folder / OUTPUT if (folder / OUTPUT).is_dir() else folder
    files = sorted(output.glob(f"*/{STATE}"))
    old = [] if files else sorted({*output.glob(f"*/{_OLD}"), *output.glob(f"*/*/{_OLD}")})
    if not files and not old:
        raise UserError(
            f"{folder}: no annotation_output/ANNOTATOR/{STATE} here; expected a project that Potato ran"
        )
    for file in files:
        state = read_json_document(file, _STATES, _EXPECTED_STATE)
        for utterance_id, pairs in state.chosen.items():
            labels: dict[str, list[str]] = {}
            for label, value in pairs:
                if _is_chosen(label.name, value):
                    labels.setdefault(label.question, []).append(label.name)
            yield state.user_id or file.parent.name, utterance_id, labels
    for file in old:
        yield from _of_file(file)


def _of_file(path: Path) -> Iterator[Entry]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error_text(error)})") from error
    folder = path.absolute().parent.name if path.name == _OLD else None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                entry = _LINES.validate_json(line)
            except ValidationError as error:
                raise UserError(
                    f"{path}:{number}: expected a line of Potato's annotations.jsonl: {describe(error)}"
                ) from error
            labels = {
                scheme: [name for name, value in given.items() if _is_chosen(name, value)]
                for scheme, given in entry.labels.items()
            }
            yield entry.user_id or folder, entry.instance_id, labels


def _is_chosen(name: str, value: Any) -> bool:
    """Whether a stored value means that the label was chosen: unchecked boxes are stored, too, by some versions."""
    if value is None or isinstance(value, int | float):
        return bool(value)
    text = str(value).strip()
    return text == name or text.casefold() not in _NOT_CHOSEN
