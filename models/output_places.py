"""Places that are to be written: whether they can be, before a command computes for hours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ambivox.models.errors import UserError
from ambivox.models.file_errors import disk_is_full, error_text
from ambivox.models.temporary_files import temporary_folder

# Every folder that a step replaces as a whole holds this file.
MARKER = ".ambivox-output"


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
        for folder in (place, *place.parents):
            if (folder / MARKER).is_file():
                raise UserError(
                    f"{path}: found the output of a step, which replaces the whole folder; expected a folder of its own, "
                    f"such as {folder.parent / 'new'}"
                )
        check_writable(path / "new")


def check_output_file(path: Path, suffix: str, inputs: Iterable[Path | str | None] = ()) -> None:
    """Check that writing a file replaces nothing but an earlier one of its kind.

    Args:
        path: The file to write.
        suffix: What the name of an earlier one ends in, such as ".html".
        inputs: Files and folders that are read: ``path`` must be none of them. None is ignored.

    Raises:
        UserError: ``path`` is a folder, a link, a device, an input or a file of another kind, or cannot be written.
    """
    if path.is_symlink():
        raise UserError(f"{path}: found a link, expected a file to write; name another file or remove it")
    if path.is_dir():
        raise UserError(f"{path}: found a folder, expected a file to write, such as {path / f'new{suffix}'}")
    if path.exists() and not (path.is_file() and path.suffix == suffix):
        raise UserError(
            f"{path}: is there, and is no earlier output; expected a name that ends in {suffix}, or a new one"
        )
    for read in inputs:
        if read is not None and path.exists() and Path(read).exists() and path.samefile(read):
            raise UserError(f"{path}: is the input {read}, which would be replaced; name another file")
    check_writable(path)
