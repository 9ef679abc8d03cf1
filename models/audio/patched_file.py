"""A recording whose header is corrected while it is read; the file itself stays."""

from __future__ import annotations

import io
from typing import Any, BinaryIO


class PatchedFile:
    """A file some of whose bytes are replaced. It never fails in a callback of libsndfile, which would print it.

    Args:
        source: The open file.
        patches: Positions and the bytes that belong there.
    """

    def __init__(self, source: BinaryIO, patches: dict[int, bytes]) -> None:
        self._source = source
        self._patches = patches

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; before the beginning is the beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._source.tell()}.get(whence)
        if base is None:
            base = self._source.seek(0, io.SEEK_END)
        return self._source.seek(max(0, base + offset))

    def tell(self) -> int:
        """The place."""
        return self._source.tell()

    def read(self, size: int = -1) -> bytes:
        """The next bytes, with those that are replaced."""
        start = self._source.tell()
        content = self._source.read(size)
        for position, replacement in self._patches.items():
            first, last = max(position, start), min(position + len(replacement), start + len(content))
            if first < last:
                part = replacement[first - position : last - position]
                content = content[: first - start] + part + content[last - start :]
        return content


def renamed(source: BinaryIO) -> dict[int, bytes]:
    """BW64 (ITU-R BS.2088) is RF64 under another name, which libsndfile does not know: the patches that rename it."""
    source.seek(0)
    return {0: b"RF64"} if source.read(4) == b"BW64" else {}


class _BehindTag(io.RawIOBase):
    """A file whose first bytes are left out."""

    def __init__(self, source: BinaryIO, start: int) -> None:
        self._source, self._start = source, start
        source.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._source.tell() - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            offset = max(0, offset) + self._start
        return self._source.seek(offset, whence) - self._start

    def readinto(self, buffer: Any) -> int:
        content = self._source.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def behind_tag(source: BinaryIO, start: int) -> BinaryIO:
    """A file as it is without its first bytes; closing it leaves ``source`` open.

    Args:
        source: The open file.
        start: How many bytes are left out.
    """
    return io.BufferedReader(_BehindTag(source, start))
