"""Where the answers of several ALMs are: those of the first in the step's folder, of the others in subfolders of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

ANNOTATIONS = "annotations.parquet"
FURTHER = "further"
_NO_NAME = re.compile(r"[^a-z0-9_]+")


def further_folder(number: int, name: str) -> str:
    """The subfolder for the answers of a further ALM.

    Args:
        number: 1 for the first of them.
        name: the ALM's.

    Example:
        >>> further_folder(1, "hosted:some/model")
        'further/01-hosted-some-model'
    """
    return f"{FURTHER}/{number:02d}-{_NO_NAME.sub('-', name.lower()).strip('-')[:60]}"


def annotation_files(first: Path, more: Sequence[Path] = ()) -> tuple[Path, ...]:
    """All files with answers: of a run's ALMs in their order, then those that a user names.

    Args:
        first: annotations.parquet of ``annotate``; answers of further ALMs are looked for beside it.
        more: files from elsewhere.

    Returns:
        The files, ``first`` first; it need not exist.
    """
    return (first, *sorted(first.parent.glob(f"{FURTHER}/*/{ANNOTATIONS}")), *more)
