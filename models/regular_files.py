"""Small files of a user, read whole: texts, lists, configuration. Pipes and devices, which may have no end, are refused."""

from __future__ import annotations

import stat
from pathlib import Path

from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text


def read_bytes(path: Path, expected: str) -> bytes:
    """Read a file.

    Args:
        path: The file.
        expected: What it should hold, for the message, such as "one utterance id per line".

    Raises:
        UserError: It is missing, a folder, a pipe or a device, or may not be read.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error_text(error)}); expected {expected}") from error
    found = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
    raise UserError(f"{path}: found {found}, expected a file with {expected}")


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
