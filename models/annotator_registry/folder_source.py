"""ALMs in a local folder: every folder in it that holds a config.json and weights."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.errors import UserError
from ambivox.models.prompting.model_folder import revision_of

_log = logging.getLogger(__name__)
PREFIX = "folder:"


def list_folder(source: str) -> Iterator[Candidate]:
    """Every model folder directly below the source's folder.

    A folder without weights (one that is still being copied, an adapter) is skipped with a warning.

    Args:
        source: ``folder:PATH``.

    Raises:
        UserError: PATH is not a folder.
    """
    root = Path(source.removeprefix(PREFIX))
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; expected a folder that holds model folders")
    for config in sorted(root.glob("*/config.json")):
        folder = config.parent
        try:
            revision = revision_of(folder)
        except UserError as error:
            _log.warning("skipped: %s", error)
            continue
        yield Candidate(folder.name, revision, source, str(folder.resolve()))
