"""The case that a process of fuzzing is at, in memory that outlives the process: a crash does not lose its input."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct(
    "<iqdi"
)  # the parser's index, the number of the case, seconds by CLOCK_MONOTONIC, bytes
_MOST_BYTES = 2**17


@dataclass(frozen=True)
class Case:
    """A case that was begun.

    Attributes:
        parser: The parser's index; -1 between two parsers.
        number: The case's number.
        began: When it began, in seconds of ``time.monotonic``.
        content: What was parsed.
    """

    parser: int
    number: int
    began: float
    content: bytes


class CaseRecord:
    """A file in memory that one process writes and another reads."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_MOST_BYTES))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _MOST_BYTES)

    def write(self, case: Case) -> None:
        """Note a case before it is run."""
        content = case.content[: _MOST_BYTES - _HEADER.size]
        self._memory[_HEADER.size : _HEADER.size + len(content)] = content
        # At once: pack_into would write zeros first, which the other process may read.
        self._memory[: _HEADER.size] = _HEADER.pack(case.parser, case.number, case.began, len(content))

    def read(self) -> Case:
        """The case that was noted last."""
        parser, number, began, length = _HEADER.unpack_from(self._memory, 0)
        return Case(parser, number, began, bytes(self._memory[_HEADER.size : _HEADER.size + length]))
