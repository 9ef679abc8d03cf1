"""Atomic writing: a crash, a full disk or a concurrent writer never leaves an incomplete file."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# No space left on the device, disk quota exceeded, file larger than allowed.
_DISK_FULL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(OSError):
    """The disk was full while writing; the file or folder of before is unchanged."""

    def __init__(self, path: Path) -> None:
        """Name the ``path`` that was to be written."""
        super().__init__(errno.ENOSPC, "no space left on the disk", str(path))

    def __str__(self) -> str:
        """Return one line: what happened, to which path, and what to do."""
        return (
            f"{self.filename}: no space left to write it; the earlier content is unchanged; "
            "free space and run the same command again"
        )


def disk_is_full(error: BaseException) -> bool:
    """Tell whether an error comes from a full disk, even where a library wrapped it.

    Args:
        error: Any exception.

    Returns:
        True for a full disk, an exceeded quota, or a file larger than allowed.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _DISK_FULL_CODES
    # polars reports the system's error only in the text of its own.
    return any(f"(os error {code})" in str(error) for code in _DISK_FULL_CODES)


@contextmanager
def _as_disk_full_error(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not disk_is_full(error):
            raise
        raise DiskFullError(path) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends without an error.

    A rename within one file system is atomic, so readers see the old file or the new one, never a part.

    Args:
        path: The file to write; an existing one is replaced.

    Yields:
        An empty file to write to.

    Raises:
        DiskFullError: The disk is full; the old file is unchanged and the temporary one is removed.
    """
    with _as_disk_full_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(descriptor)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; it replaces ``path`` when the block ends without an error.

    Args:
        path: The folder to write; an existing one is replaced with all that it holds.

    Yields:
        An empty folder to write to.

    Raises:
        DiskFullError: The disk is full; the old folder is unchanged and the temporary one is removed.
    """
    with _as_disk_full_error(path), _replaced_folder(path) as temporary:
        yield temporary


@contextmanager
def _replaced_folder(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
            path.rename(old / path.name)
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, value: Any) -> Path:
    """Write a value as indented JSON with sorted keys; equal values give equal bytes.

    Args:
        path: The file to write.
        value: Anything that JSON can hold; NaN and infinity are not allowed.

    Returns:
        ``path``.

    Raises:
        ValueError: The value holds NaN or infinity.
        DiskFullError: As in ``atomic_path``.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8"
        )
    return path
