"""Finding a corpus's files whatever the case and spelling of their names, which differ between releases and systems."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ambivox.models.errors import UserError


def find_entry(root: Path, *levels: Sequence[str]) -> Path | None:
    """Find a file or folder by any of its spellings, without regard to case.

    Args:
        root: The folder to start from.
        *levels: Per level below it, the spellings in order of preference.

    Returns:
        The first entry that is there; None if there is none.
    """
    if not levels:
        return root
    try:
        entries = sorted(os.listdir(root))  # noqa: PTH208 - names only
    except OSError:
        return None
    spellings, *deeper = levels
    for spelling in spellings:
        # The exact spelling first; sorted, "Labels" comes before "labels".
        matching = [entry for entry in entries if entry.lower() == spelling.lower()]
        for entry in sorted(matching, key=lambda entry: entry != spelling):
            if (found := find_entry(root / entry, *deeper)) is not None:
                return found
    return None


def require_entry(root: Path, corpus: str, *levels: Sequence[str]) -> Path:
    """Find a file or folder that a corpus must have.

    Args:
        root: The folder that the user gave.
        corpus: The corpus's name, for messages.
        *levels: As in ``find_entry``.

    Returns:
        The first entry that is there.

    Raises:
        UserError: There is none; where the folder above or one below has it, the message says so.
    """
    expected = "/".join(" or ".join(spellings) for spellings in levels)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; expected the root of {corpus} with {expected}")
    if (found := find_entry(root, *levels)) is not None:
        return found
    nearby = [root.parent, *sorted(child for child in root.iterdir() if child.is_dir())]
    for other in nearby:
        if find_entry(other, *levels) is not None:
            raise UserError(f"{root}: {expected} is not here but in {other}; give that as --root")
    raise UserError(f"{root}: not the root of {corpus}: {expected} not found")
