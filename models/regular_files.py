"""Small files of a user, read whole: texts, lists, configuration. Pipes and devices, which may have no end, are refused."""

from __future__ import annotations

import stat
from pathlib import Path

from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class NotFetchedError(UserError):
    """A file that is a pointer of git-lfs: its content is elsewhere."""

    def __init__(self, path: Path | str) -> None:
        """Take the file."""
        super().__init__(
            f"{path}: a pointer of git-lfs, not the file itself; run `git lfs pull` in the folder it was cloned into"
        )


def is_lfs_pointer(head: bytes) -> bool:
    r"""Tell whether a file is what git leaves in place of a large file that was not fetched.

    Args:
        head: The first bytes of the file, at least 64 where it has as many.

    Returns:
        True for a pointer of git-lfs; ``git lfs pull`` replaces it by the file.

    Example:
        >>> is_lfs_pointer(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a")
        True
    """
    return head.startswith(_LFS_POINTER)


def check_fetched(path: Path) -> None:
    """Refuse what git-lfs leaves in place of a file that was not fetched.

    Args:
        path: A file; one that cannot be opened passes, and so do pipes and devices.

    Raises:
        NotFetchedError: It is a pointer of git-lfs.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return
        with path.open("rb") as file:
            head = file.read(len(_LFS_POINTER))
    except OSError:
        return
    if is_lfs_pointer(head):
        raise NotFetchedError(path)


def check_regular(path: Path, expected: str) -> None:
    """Refuse what may have no end, or wait for ever, before another library opens it.

    Args:
        path: What is to be opened; what is absent passes, and is for whoever opens it.
        expected: What it should hold, for the message, such as "a table of votes".

    Raises:
        UserError: It is a folder, a pipe, a socket or a device.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode):
        raise _not_regular(path, mode, expected)


def _not_regular(path: Path, mode: int, expected: str) -> UserError:
    found = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
    return UserError(f"{path}: found {found}, expected a file with {expected}")


def read_bytes(path: Path, expected: str) -> bytes:
    """Read a file.

    Args:
        path: The file.
        expected: What it should hold, for the message, such as "one utterance id per line".

    Raises:
        UserError: It is missing, a folder, a pipe, a device or a pointer of git-lfs, or may not be read.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            content = path.read_bytes()
            if is_lfs_pointer(content):
                raise NotFetchedError(path)
            return content
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error_text(error)}); expected {expected}") from error
    raise _not_regular(path, mode, expected)


def read_text(path: Path, expected: str) -> str:
    """Read a text file in UTF-8, with or without a byte order mark; see ``read_bytes``.

    Raises:
        UserError: See ``read_bytes``; or it is not UTF-8.
    """
    try:
        return read_bytes(path, expected).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not text in UTF-8, byte {error.start + 1} is wrong; expected {expected}"
        ) from error
