"""Atomic writing: a crash, a full disk or a concurrent writer never leaves an incomplete file.

A folder is replaced only if it is empty or was written by this software.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ambivox.models.errors import UserError
from ambivox.models.file_errors import as_disk_full_error
from ambivox.models.output_places import MARKER, check_not_in_output, check_writable
from ambivox.models.temporary_files import put_in_place, temporary_file, temporary_folder

# Its bytes never change, because DVC hashes whole folders.
_MARKER_TEXT = "Ambivox wrote this folder and replaces all of it when the same step is run again.\n"

# Folders that were written before there was a marker: they hold one of these groups of files, no folder, and
# no file of another kind (no recording, for example).
_UNMARKED_OUTPUTS = (
    {"utterances.parquet", "profile.json"},  # ingest
    {"annotations.parquet", "checks.json"},  # annotate
    {"pooling.json", "pooled.parquet"},  # pool
    {"metrics.json", "details.json"},  # validate
    {"metrics.json", "paper.json"},  # evaluate
    {"trial.json", "trial.md"},  # trial
    {"augmentation.json", "utterances.parquet"},  # augment
    {"ambivox.json", "adapter_config.json"},  # finetune
    {"config.json", "distribution_head.safetensors"},  # finetune --merged
    {"config.json", "training.json"},  # pretrain
    {"votes.parquet", "rejects.parquet"},  # import-votes
    {"labels.json", "utterances.csv", "votes.csv"},  # export as csv
    {"config.xml", "tasks.json"},  # export as label_studio, plan-labels
)
_OUTPUT_SUFFIXES = frozenset(
    [".csv", ".jinja", ".json", ".md", ".model", ".parquet", ".safetensors", ".svg", ".tar", ".txt", ".xml"]
)


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
    with as_disk_full_error(path):
        temporary = temporary_file(path)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(
    path: Path, inputs: Iterable[Path | str | None] = (), *, is_own: bool = False
) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; it replaces ``path`` when the block ends without an error.

    The folder gets a marker file, by which a later run knows that it may replace the folder.

    Args:
        path: The folder to write; an existing one is replaced if ``check_output_folder`` allows it.
        inputs: Files and folders that are read; see ``check_output_folder``.
        is_own: See ``check_output_folder``.

    Yields:
        An empty folder to write to.

    Raises:
        DiskFullError: The disk is full; the old folder is unchanged and the temporary one is removed.
        UserError: ``path`` must not be replaced; nothing was changed.
    """
    inputs = tuple(inputs)
    check_output_folder(path, inputs, is_own=is_own)
    with as_disk_full_error(path):
        temporary = temporary_folder(path)
        try:
            yield temporary
            (temporary / MARKER).write_text(_MARKER_TEXT, encoding="utf-8")
            temporary.chmod(0o755)
            # Again: the block may have run for hours.
            check_output_folder(path, inputs, is_own=is_own)
            put_in_place(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def exists(path: str) -> bool:
    """Whether a text that may be something else, such as a name, is the path of a file or folder.

    Args:
        path: any text; one that cannot be a path, because it is too long for one, names nothing.
    """
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def check_output_folder(
    path: Path, inputs: Iterable[Path | str | None] = (), *, is_own: bool = False
) -> None:
    """Check that writing a folder deletes nothing but an earlier output of this software.

    Args:
        path: The folder to write. It may be missing, empty, or written by this software.
        inputs: Files and folders that are read: ``path`` must not hold them. None is ignored, and so is a string that is
            no path (the key of an ALM, a URL).
        is_own: Replace a folder without a marker too, because the caller knows that this software wrote it.

    Raises:
        UserError: ``path`` is a file, a link, the root of a drive, a mounted drive, the home folder, the current folder or
            a parent of one of them, is in another output, holds an input, or holds files that this software did not
            write, or nothing can be written there.
    """
    if path.is_symlink():
        raise UserError(f"{path}: found a link, expected a folder to write; name another folder or remove it")
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: found a file, expected a folder to write; name another folder or remove it")
    folder = path.resolve()
    if folder == folder.parent:
        raise UserError(f"{path}: is the root of a drive; name another folder")
    if os.path.ismount(folder):
        raise UserError(
            f"{path}: is where a drive is mounted, which cannot be replaced; name a folder in it, such as {path / 'new'}"
        )
    check_not_in_output(path, folder.parents)
    for name, used in (("home folder", _home()), ("current folder", Path.cwd())):
        if used.resolve().is_relative_to(folder):
            raise UserError(f"{path}: is or contains the {name} {used}; name another folder")
    for read in inputs:
        if read is None or (isinstance(read, str) and not exists(read)):
            continue
        if Path(read).resolve().is_relative_to(folder):
            raise UserError(
                f"{path}: is or contains the input {read}, which would be deleted; name another folder"
            )
    if path.is_dir() and not is_own and not _may_replace(path):
        names = sorted(entry.name for entry in path.iterdir())
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise UserError(
            f"{path}: holds files that Ambivox did not write ({listed}); name another folder or remove it"
        )
    check_writable(path)


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user without a home folder
        return Path.cwd()


def _may_replace(folder: Path) -> bool:
    """Whether a folder is empty or an output of this software."""
    try:
        if (folder / MARKER).read_text(encoding="utf-8") == _MARKER_TEXT:
            return True
    except (OSError, UnicodeDecodeError):
        pass
    entries = list(folder.iterdir())
    names = {entry.name for entry in entries}
    return not entries or (
        any(outputs <= names for outputs in _UNMARKED_OUTPUTS)
        and all(entry.is_file() and entry.suffix in _OUTPUT_SUFFIXES for entry in entries)
    )


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
