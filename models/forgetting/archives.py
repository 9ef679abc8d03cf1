"""What compressed files and archives hold, unpacked piece by piece, so that it can be searched."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

_GZIP, _XZ = b"\x1f\x8b\x08", b"\xfd7zXZ\0"
_BZIP2 = tuple(b"BZh%d1AY&SY" % level for level in range(1, 10))
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
_TAR = slice(257, 262)
_UNKNOWN = {
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress",
}
# Enough to tell any of them.
HEAD_BYTES = 512
DEEPEST = 4
# What is unpacked of one file: more for its size is made to fill a disk.
_ALWAYS_UNPACKED = 4 << 30
_TIMES_LARGER = 20
_IN_MEMORY = 64 << 20
_FAULTS = (
    *(EOFError, OSError, RuntimeError, NotImplementedError, ValueError, zlib.error, lzma.LZMAError),
    *(tarfile.TarError, zipfile.BadZipFile),
)


class UnsearchableError(Exception):
    """A file whose content is not known; the message says why."""


class Budget:
    """How much may be unpacked of a file.

    Args:
        size: The size of the file.
    """

    def __init__(self, size: int) -> None:
        self._left = _ALWAYS_UNPACKED + _TIMES_LARGER * size

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be unpacked."""
        return self._left < 0

    def spend(self, count: int) -> None:
        """Take note of bytes that were unpacked.

        Raises:
            UnsearchableError: It is too much.
        """
        self._left -= count
        if self._left < 0:
            raise UnsearchableError("it unpacks to far more than its size")


class Piece(io.RawIOBase):
    """Unpacked content, read once from its start.

    Args:
        file: Where it is read from.
        budget: What may be unpacked.
    """

    def __init__(self, file: IO[bytes], budget: Budget) -> None:
        super().__init__()
        self._file, self._budget, self._ahead = file, budget, b""

    def readable(self) -> bool:
        """As every stream that is read."""
        return True

    def head(self) -> bytes:
        """The first bytes, which are read again afterwards."""
        while len(self._ahead) < HEAD_BYTES and (block := self._next(HEAD_BYTES)):
            self._ahead += block
        return self._ahead

    def readinto(self, buffer: Any) -> int:
        """Read what fits."""
        block = self._ahead[: len(buffer)] or self._next(len(buffer))
        self._ahead = self._ahead[len(block) :]
        buffer[: len(block)] = block
        return len(block)

    def _next(self, count: int) -> bytes:
        try:
            block = self._file.read(count)
        except _FAULTS as error:
            raise UnsearchableError(f"it cannot be unpacked: {error}") from error
        self._budget.spend(len(block))
        return block

    def seekable_copy(self) -> IO[bytes]:
        """All of it, for formats that are read from their end; a temporary file without a name where it is large."""
        copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller reads it
        shutil.copyfileobj(io.BufferedReader(self), copy)
        copy.seek(0)
        return cast("IO[bytes]", copy)


def is_packed(head: bytes) -> bool:
    """Whether content has to be unpacked to be searched.

    Args:
        head: Its first HEAD_BYTES.
    """
    starts = (_GZIP, *_BZIP2, _XZ, *_ZIPS, *_UNKNOWN)
    return head.startswith(starts) or head[_TAR] == b"ustar"


def unpacked(file: IO[bytes] | Piece, head: bytes, budget: Budget) -> Iterator[tuple[str, Piece]]:
    """What a compressed file or archive holds.

    Args:
        file: The file.
        head: Its first HEAD_BYTES.
        budget: What may be unpacked of it.

    Yields:
        The name of a member, empty for a compressed file, and its content, which lasts until the next.

    Raises:
        UnsearchableError: It is damaged or encrypted, of a kind that cannot be unpacked here, or unpacks to too much.
    """
    stream = cast("IO[bytes]", file)
    try:
        if head.startswith(_GZIP):
            yield "", Piece(cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb")), budget)
        elif head.startswith(_BZIP2):
            with bz2.BZ2File(stream) as content:
                yield "", Piece(content, budget)
        elif head.startswith(_XZ):
            with lzma.LZMAFile(stream) as content:
                yield "", Piece(content, budget)
        elif head.startswith(_ZIPS):
            yield from _zip_members(file, budget)
        elif head[_TAR] == b"ustar":
            yield from _tar_members(stream, budget)
        else:
            kind = next(kind for start, kind in _UNKNOWN.items() if head.startswith(start))
            raise UnsearchableError(f"{kind} files are not unpacked")
    except _FAULTS as error:
        raise UnsearchableError(f"it cannot be unpacked: {error}") from error


def _zip_members(file: IO[bytes] | Piece, budget: Budget) -> Iterator[tuple[str, Piece]]:
    with zipfile.ZipFile(file.seekable_copy() if isinstance(file, Piece) else file) as archive:
        for member in archive.infolist():
            with archive.open(member) as content:
                yield member.filename, Piece(content, budget)


def _tar_members(stream: IO[bytes], budget: Budget) -> Iterator[tuple[str, Piece]]:
    with tarfile.open(fileobj=stream, mode="r|", ignore_zeros=True) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            name = f"{member.name} {member.linkname}"
            yield name, Piece(content or io.BytesIO(), budget)


def file_size(file: IO[bytes]) -> int:
    """The size of an open file, which is left at its start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size
