"""Recordings that no row of a corpus names: a table that was cut at the end of a line looks whole, and they alone tell."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ambivox.models.counted import counted
from ambivox.models.ingestion.recordings import AUDIO_SUFFIXES


def unlisted_recordings(listed: Iterable[str], folders: Iterable[str] = ()) -> list[str]:
    """List the recordings beside those that rows name.

    A recording that is there in two formats is one. Hidden files, such as Apple's ``._`` ones, and what is not below a
    folder of this machine are not looked at.

    Args:
        listed: Paths of the recordings that rows name; they need not exist.
        folders: Further folders to look into.

    Returns:
        Their paths, in order.
    """
    stems_of: dict[str, set[str]] = {str(folder): set() for folder in folders}
    for path in listed:
        if "://" not in path:
            folder, name = os.path.split(path)
            stems_of.setdefault(folder, set()).add(_stem(name))
    unlisted: list[str] = []
    for folder, stems in stems_of.items():
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - names only
        except (OSError, ValueError):
            continue  # no folder of this name: its recordings are missing, which is said elsewhere
        unlisted += [
            os.path.join(folder, name)  # noqa: PTH118 - as the corpus writes it
            for name in names
            if name.lower().endswith(AUDIO_SUFFIXES) and not name.startswith(".") and _stem(name) not in stems
        ]
    return sorted(path.encode(errors="replace").decode() for path in unlisted)


def unlisted_note(listed: Iterable[str], table: str, folders: Iterable[str] = ()) -> list[str]:
    """Say how many recordings no row names.

    Args:
        listed: As in ``unlisted_recordings``.
        table: Where a row of each is expected, such as "labels_consensus.csv".
        folders: As in ``unlisted_recordings``.

    Returns:
        One note, or none.
    """
    unlisted = unlisted_recordings(listed, folders)
    if not unlisted:
        return []
    return [
        f"{counted(len(unlisted), 'recording is', 'recordings are')} in no row of {table} and not read, the first is "
        f"{unlisted[0]}; if they should have votes, the table was cut short: get it again"
    ]


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].casefold()  # noqa: PTH122 - several times faster than PurePath, for every file
