"""Places that are to be written: whether they can be, before a command computes for hours."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ambivox.models.errors import UserError
from ambivox.models.file_errors import disk_is_full, error_text
from ambivox.models.temporary_files import temporary_folder

# Every folder that a step replaces as a whole holds this file.
MARKER = ".ambivox-output"
# What the head of every HTML page holds, by which it is known as an earlier output.
PAGE_MARK = "<title>Ambivox: "
# A mark stands in the head of a file, or in the footer of a Parquet file, whose metadata come last.
_HEAD, _FOOT = 8192, 65536  # bytes


def check_writable(path: Path) -> None:
    """Check that a file or folder can be made at a place, by making a folder beside it and removing it.

    Args:
        path: What is to be written; folders above it may be missing.

    Raises:
        UserError: A folder above it is a file or in a circle of links, or may not be written.
        OSError: The disk is full.
    """
    folder = path.parent
    try:
        while not folder.exists() and not folder.is_symlink() and folder != folder.parent:
            folder = folder.parent
        temporary_folder(folder / path.name).rmdir()
    except (OSError, RuntimeError) as error:
        if disk_is_full(error):
            raise
        raise UserError(
            f"{path}: cannot be written ({error_text(error)}: {folder}); name a place that this user may write, or "
            "change its permissions"
        ) from error


def check_folders_to_fill(*paths: Path | None) -> None:
    """Check that folders that keep files from run to run, such as caches, can be used.

    Args:
        paths: The folders; one may be missing. None is ignored.

    Raises:
        UserError: One is a file, a link to nothing, the root of the file system, or in a folder that a step replaces, or
            cannot be made or written.
    """
    for path in filter(None, paths):
        if not str(path).strip():
            raise UserError("found a blank name, expected that of a folder")
        if path.resolve() == path.resolve().parent:
            raise UserError(
                f"{path}: found the root of the file system, expected a folder of its own, such as {path / 'new'}"
            )
        if (path.exists() and not path.is_dir()) or (path.is_symlink() and not path.exists()):
            raise UserError(f"{path}: found a file, expected a folder, or a name for a new one")
        place = path.resolve()
        check_not_in_output(path, (place, *place.parents))
        check_writable(path / "new")


def check_not_in_output(path: Path, folders: Iterable[Path]) -> None:
    """Check that something that stays is not put into a folder that a step replaces.

    Args:
        path: The place, for the message.
        folders: The folders above it, and itself where a step may not have written it.

    Raises:
        UserError: One of the folders is the output of a step.
    """
    for folder in folders:
        if (folder / MARKER).is_file():
            raise UserError(
                f"{path}: found the output of a step, which replaces the whole folder ({folder}); expected a folder of its "
                f"own, such as {folder.parent / 'new'}"
            )


def check_output_file(path: Path, suffix: str, mark: str, inputs: Iterable[Path | str | None] = ()) -> None:
    """Check that writing a file replaces nothing but an earlier one of its kind.

    Args:
        path: The file to write.
        suffix: What the name of an earlier one ends in, such as ".html".
        mark: A text that an earlier one holds in its head or its foot, such as PAGE_MARK.
        inputs: Files and folders that are read: ``path`` must be none of them. None is ignored.

    Raises:
        UserError: ``path`` is a folder, a link, a device, an input or a file of another kind, or cannot be written.
    """
    if path.is_symlink():
        raise UserError(f"{path}: found a link, expected a file to write; name another file or remove it")
    if path.is_dir():
        raise UserError(f"{path}: found a folder, expected a file to write, such as {path / f'new{suffix}'}")
    for read in inputs:
        if read is not None and path.exists() and Path(read).exists() and path.samefile(read):
            raise UserError(f"{path}: is the input {read}, which would be replaced; name another file")
    if path.exists() and not (path.is_file() and path.suffix == suffix and _holds(path, mark)):
        raise UserError(
            f"{path}: is there, and is no earlier output; name a new file that ends in {suffix}, or remove this one"
        )
    check_writable(path)


def _holds(path: Path, mark: str) -> bool:
    """Whether a file is empty, or its head or foot holds a text."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _FOOT, 0))
            return not size or mark.encode() in head or mark.encode() in file.read(_FOOT)
    except OSError:
        return False
