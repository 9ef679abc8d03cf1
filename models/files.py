"""Writing files so that a crash, a full disk or a second writer never leaves half of one."""

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

# No space left, the quota is used up, a file over the size that is allowed.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(OSError):
    """There was no room to write; what was there before is untouched."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.ENOSPC, "no space left on the disk", str(path))

    def __str__(self) -> str:
        """One line: what, where, what to do."""
        return (
            f"{self.filename}: no space left to write it; what was there before is untouched; "
            "free space and run the same command again"
        )


def disk_is_full(error: BaseException) -> bool:
    """Whether an error comes from a full disk, however a library wrapped it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    # polars passes the system's error on as words alone.
    return any(f"(os error {code})" in str(error) for code in _FULL)


@contextmanager
def _plain_about_space(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not disk_is_full(error):
            raise
        raise DiskFullError(path) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends without an error.

    The rename is atomic on one file system, so readers see the old file or the new one, never a part.

    Raises:
        DiskFullError: there was no room; the old file is as it was and nothing is left behind.
    """
    with _plain_about_space(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(descriptor)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; it takes the place of ``path`` when the block ends well.

    Raises:
        DiskFullError: there was no room; the old folder is as it was and nothing is left behind.
    """
    with _plain_about_space(path), _beside(path) as temporary:
        yield temporary


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
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
    """Write ``value`` as indented JSON with sorted keys (equal values give equal bytes)."""
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8"
        )
    return path
