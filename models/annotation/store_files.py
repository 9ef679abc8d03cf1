"""The files of a vote store: a flat collection of them, in a folder or under a prefix of a bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ambivox.models.errors import OutageError, UserError
from ambivox.models.files import atomic_path
from ambivox.models.object_store import (
    ObjectStoreError,
    delete_object,
    is_object_url,
    list_objects,
    read_object,
    write_object,
)


class Files(Protocol):
    """A flat collection of files; a file that exists is never changed."""

    def names(self) -> list[str]:
        """The names of all files; on S3 also of those further down, with slashes."""

    def read(self, name: str) -> bytes:
        """The content of a file."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file; one that exists stays."""

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""


def content_name(content: bytes, suffix: str) -> str:
    """The name of a file that is named by its content; a file with another name is damaged.

    Args:
        content: of the file.
        suffix: of the name, with its dot.
    """
    return hashlib.sha256(content).hexdigest() + suffix


def open_files(location: str) -> Files:
    """The files at a place, which need not exist.

    Args:
        location: a local folder, or s3://bucket/prefix.
    """
    return _Objects(location) if is_object_url(location) else _Local(Path(location))


class _Local:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [file.name for file in self._folder.iterdir() if not file.name.startswith(".")]

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        if not path.exists():
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)

    def delete(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class _Objects:
    """Files under a prefix of a bucket."""

    def __init__(self, location: str) -> None:
        self._location = location

    def names(self) -> list[str]:
        prefix = f"{self._location}/"
        with self._user_errors():
            return [entry.url.removeprefix(prefix) for entry in list_objects(prefix)]

    def read(self, name: str) -> bytes:
        with self._user_errors():
            return read_object(f"{self._location}/{name}")

    def write(self, name: str, content: bytes) -> None:
        with self._user_errors():
            write_object(f"{self._location}/{name}", content)

    def delete(self, name: str) -> None:
        with self._user_errors():
            delete_object(f"{self._location}/{name}")

    @contextmanager
    def _user_errors(self) -> Iterator[None]:
        try:
            yield
        except (ObjectStoreError, FileNotFoundError, PermissionError) as error:
            kind = OutageError if isinstance(error, OutageError) else UserError
            raise kind(
                f"{self._location}: the vote store cannot be reached ({error}); stored answers are kept, and the same "
                "command resumes once the store is available"
            ) from error
