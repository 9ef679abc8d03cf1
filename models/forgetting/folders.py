"""The files of a project, those in folders on other disks that links lead to, too."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

# Not the project's data: version control, DVC's cache (see held_elsewhere.py), environments.
_SKIPPED = frozenset({".git", ".dvc", ".venv", "__pycache__", "node_modules"})


def files_below(project: Path, left_alone: Collection[Path]) -> tuple[list[Path], list[Path]]:
    """List the files of a project, each once.

    Args:
        project: The project's folder.
        left_alone: Folders and files that are left out, resolved.

    Returns:
        The files; and folders that were not searched: those that cannot be listed, and links to a folder that the
        project is in, which is not the project's.
    """
    files: dict[Path, Path] = {}  # by the resolved path
    unsearched: list[Path] = []
    above = set(project.resolve().parents)
    seen: set[Path] = set()
    # Links come last, so that a file has its own name, and not that of a link to it.
    waiting = [project]
    while waiting:
        start = waiting.pop(0)
        if start.resolve() in above:
            unsearched.append(start)
            continue
        listing = os.walk(start, onerror=lambda error: unsearched.append(Path(os.fsdecode(error.filename))))
        for folder, folders, names in listing:
            place = Path(folder)
            resolved = place.resolve()
            if resolved in seen:
                folders.clear()
                continue
            seen.add(resolved)
            below = [place / name for name in sorted(folders) if name not in _SKIPPED]
            below = [path for path in below if path.resolve() not in left_alone]
            waiting += [path for path in below if path.is_symlink() and not _is_skipped(path.resolve())]
            folders[:] = [path.name for path in below if not path.is_symlink()]
            for name in sorted(names):
                target = (place / name).resolve()
                is_link = target != resolved / name
                if target in left_alone or (is_link and (_is_skipped(target) or target in files)):
                    continue
                files[target] = place / name
    return list(files.values()), unsearched


def _is_skipped(target: Path) -> bool:
    return not _SKIPPED.isdisjoint(target.parts)
