"""Steps that the pipeline leaves out because the corpus has too little data for them: the note in place of the output."""

from __future__ import annotations

import json
from pathlib import Path

from ambivox.models.files import write_json

NOTE = "left_out.json"


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
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    reason = note.get("reason") if isinstance(note, dict) else None
    return reason if isinstance(reason, str) else None
