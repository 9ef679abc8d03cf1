"""Steps that the pipeline leaves out because the corpus has too little data for them: the note in place of the output."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.json_documents import read_json_document

NOTE = "left_out.json"
_NOTE: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


def write_left_out(folder: Path, reason: str) -> None:
    """Note in an output folder why its step was left out.

    Args:
        folder: An existing folder.
        reason: One line.
    """
    write_json(folder / NOTE, {"reason": reason})


def left_out_reason(folder: Path) -> str | None:
    """Read why the step that owns a folder was left out.

    Args:
        folder: The step's output folder.

    Returns:
        The reason; None where the step was not left out.
    """
    try:
        return read_json_document(folder / NOTE, _NOTE, "a note about a step").get("reason")
    except UserError:
        return None
