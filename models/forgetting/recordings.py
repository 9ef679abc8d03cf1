"""Recordings of the people who are forgotten: the project's own copies, and those of the user."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ambivox.models.object_store import is_object_url


@dataclass(frozen=True)
class Recordings:
    """Where recordings are.

    Attributes:
        own: Files below data/, which the project made.
        users: The user's files.
        remote: s3:// URLs.
    """

    own: tuple[Path, ...]
    users: tuple[Path, ...]
    remote: tuple[str, ...]

    @classmethod
    def sort(cls, project: Path, names: Collection[str]) -> Recordings:
        """Sort recordings by where they are; files that are gone are left out.

        Args:
            project: The project's folder, which relative paths are relative to.
            names: Paths and URLs, as the table of utterances has them.
        """
        files = [project / name for name in sorted(names) if not is_object_url(name)]
        present = [path for path in files if path.is_file()]
        data = (project / "data").resolve()
        own = tuple(path for path in present if path.resolve().is_relative_to(data))
        return cls(
            own,
            tuple(path for path in present if path not in own),
            tuple(name for name in sorted(names) if is_object_url(name)),
        )


def delete(recordings: Collection[Path]) -> int:
    """Delete recordings, and folders below which nothing is left; how many recordings it was.

    Args:
        recordings: Files.
    """
    for path in recordings:
        path.unlink(missing_ok=True)
    return len(recordings)
