"""A recording whose header is corrected while it is read; the file itself stays."""

from __future__ import annotations

import io
from typing import BinaryIO


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
