"""What the system's errors about files mean: a full disk, no permission, or a text that cannot be a path."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ambivox.models.errors import UserError

# No space left on the device, disk quota exceeded, file larger than allowed.
_DISK_FULL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Permission denied, operation not permitted, read-only file system.
_NO_ACCESS_CODES = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_PATH_CODES = (
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOENT,
    errno.EISDIR,
    errno.ENXIO,
    errno.ENODEV,
)
_SHOWN_CHARACTERS = 100
_LONGEST_TEXT = 300


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


def error_text(error: BaseException) -> str:
    """What an error says, without the number and the path of the system's, and cut where it quotes a whole file.

    Args:
        error: Any exception; its path is in the message that this text becomes a part of.

    Example:
        >>> error_text(FileNotFoundError(2, "No such file or directory", "a.csv"))
        'no such file or directory'
    """
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."


def current_folder_error(error: BaseException) -> UserError | None:
    """The mistake behind an error where the folder in which the command runs was removed; None for another error."""
    if not isinstance(error, FileNotFoundError):
        return None
    try:
        Path.cwd()
    except FileNotFoundError:
        return UserError(
            "the current folder was removed; go to a folder that exists and run the command again"
        )
    return None


def access_error(error: BaseException) -> UserError | None:
    """The mistake behind an error where a path may not be read or written, or cannot be one; None for another error.

    Args:
        error: Any exception.

    Returns:
        An error of one line that names the path and what to do.
    """
    if isinstance(error, OSError) and error.errno in _NO_ACCESS_CODES:
        reason = os.strerror(error.errno or 0).lower()
        path = error.filename2 or error.filename or "a file"
        return UserError(
            f"{path}: {reason}; change its permissions, or name a place that this user may write"
        )
    if isinstance(error, OSError) and error.errno in _NO_PATH_CODES and error.filename:
        path = os.fsdecode(error.filename2 or error.filename)
        shown = path if len(path) <= _SHOWN_CHARACTERS else f"{path[:_SHOWN_CHARACTERS]}..."
        return UserError(
            f"{shown}: {os.strerror(error.errno or 0).lower()}; expected the path of a file or folder"
        )
    # pathlib before Python 3.13.
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop from"):
        return UserError(f"{error}; expected the path of a file or folder")
    # polars reports the system's error only in the text of its own.
    if any(f"(os error {code})" in str(error) for code in _NO_ACCESS_CODES):
        return UserError(f"{' '.join(str(error).split())}; change its permissions, or name another place")
    return None


@contextmanager
def as_disk_full_error(path: Path) -> Iterator[None]:
    """Turn the errors of a full disk, a library's own included, into one that names the file.

    Args:
        path: What the block writes.

    Raises:
        DiskFullError: The disk is full.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not disk_is_full(error):
            raise
        raise DiskFullError(path) from error
