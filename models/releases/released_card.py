"""The JSON file beside the card of a release, read back to publish that release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from ambivox.models.errors import UserError
from ambivox.models.json_documents import read_json_document


class _Card(BaseModel):
    """What was decided at the release; all else follows from the files. Cards of earlier versions lack some of it."""

    files: dict[str, str]
    licence: str | None = None
    revision: str | None = None
    date: str | None = None


_CARD = TypeAdapter(_Card)


def released_before(path: Path, tag: str, now: dict[str, Any]) -> dict[str, Any]:
    """What the card of an earlier release states.

    Args:
        path: The JSON file of the card.
        tag: The release, such as calls-v1.
        now: What a card of the present outputs states.

    Returns:
        ``now``, with the licence, the revision and the date of that release.

    Raises:
        UserError: The file is damaged, or the outputs are no longer those of that release.
    """
    card = read_json_document(
        path, _CARD, "the card of a release", f"get it with: git checkout {tag} -- {path}"
    )
    if card.files != now["files"]:
        raise UserError(
            f"{tag} was released already, and the outputs changed since; release the next version, or return to that one "
            f"with: git checkout {tag} && dvc checkout"
        )
    return now | card.model_dump(exclude={"files"}, exclude_none=True)
