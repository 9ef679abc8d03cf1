"""Whether a file mentions one of many names: in the cells of a table, in the rows of a database, or as words of its bytes.

What is compressed or in an archive is unpacked for it (archives.py).
"""

from __future__ import annotations

import codecs
import json
import os
import re
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import IO

import polars as pl
import pyarrow.parquet

from ambivox.models.engines.hosted.journal_file import is_locked
from ambivox.models.errors import UserError, first_line
from ambivox.models.file_errors import error_text
from ambivox.models.forgetting.archives import (
    DEEPEST,
    HEAD_BYTES,
    Budget,
    Piece,
    UnsearchableError,
    file_size,
    is_packed,
    unpacked,
)

SQLITE_MAGIC = b"SQLite format 3\0"
_PARQUET_MAGIC = b"PAR1"
_BLOCK_BYTES = 1 << 22
_WORD = re.compile(rb"[0-9A-Za-z_-]+")
# Shorter names are looked for in tables only: as words they would be anywhere.
_SHORTEST = 5
_WAIT_SECONDS = 60.0


class Names:
    """Names to look for.

    Args:
        names: Ids and hashes.
        speakers: Speakers, which are looked for in the column ``speaker`` of tables, and as words where they are not short.
    """

    def __init__(self, names: Collection[str], speakers: Collection[str]) -> None:
        self.cells = frozenset(names)
        self.speakers = frozenset(speakers)
        spellings = {
            spelling.encode("utf-8", "surrogatepass")
            for name in (*names, *speakers)
            if len(name) >= _SHORTEST
            for spelling in (name, json.dumps(name)[1:-1])
        }
        self._words = {each for each in spellings if _WORD.fullmatch(each)}
        self._phrases = spellings - self._words
        self.longest = max(map(len, spellings), default=0)

    def are_in(self, content: bytes) -> bool:
        """Whether a text holds one of them as a word.

        Args:
            content: Any bytes.
        """
        return not self._words.isdisjoint(_WORD.findall(content)) or any(
            phrase in content for phrase in self._phrases
        )


def mentions(path: Path, names: Names) -> bool:
    """Whether a file mentions one of the names.

    Args:
        path: The file; one that is gone mentions nothing.
        names: The names.

    Raises:
        UnsearchableError: It cannot be read or unpacked, so that nobody knows.
        UserError: A database is locked, so that nobody knows.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC:
                return bool(_rows(path, names))
            file.seek(0)
            return content_mentions(file, names)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UnsearchableError(f"it cannot be read: {error_text(error)}") from error


def content_mentions(file: IO[bytes], names: Names) -> bool:
    """Whether content mentions one of the names; see ``mentions``.

    Args:
        file: The content, at its start; it can be searched from any place.
        names: The names.
    """
    budget = Budget(file_size(file))
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if is_packed(head):  # names of members, comments, and what is behind the end
        if _bytes_mention(file, head, names):
            return True
        file.seek(0)
    return _mentions(file, head, names, budget, DEEPEST)


def _mentions(file: IO[bytes] | Piece, head: bytes, names: Names, budget: Budget, depth: int) -> bool:
    if head.startswith(_PARQUET_MAGIC):
        return _table_mentions(file.seekable_copy() if isinstance(file, Piece) else file, names)
    if not is_packed(head):
        return _bytes_mention(file, head, names)
    if not depth:
        raise UnsearchableError("it holds archives in archives")
    unknown = None
    for name, content in unpacked(file, head, budget):
        try:
            if names.are_in(os.fsencode(name)) or _mentions(
                content, content.head(), names, budget, depth - 1
            ):
                return True
        except UnsearchableError as error:
            unknown = error
            if budget.is_spent:
                break
    if unknown:
        raise unknown
    return False


def remove_rows(path: Path, names: Names) -> int:
    """Delete the rows of an SQLite database that mention one of the names.

    Args:
        path: The database.
        names: The names.

    Returns:
        How many rows were deleted.

    Raises:
        UserError: The database is locked.
    """
    mentions = _rows(path, names)
    if mentions:
        try:
            with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)) as database:
                database.execute("PRAGMA secure_delete=ON")
                for table, row in mentions:
                    database.execute(f"DELETE FROM {_quoted(table)} WHERE rowid = ?", (row,))  # noqa: S608
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                database.execute("VACUUM")
        except sqlite3.Error as error:
            raise _locked(path, "removed", error) from error
    return len(mentions)


def _rows(path: Path, names: Names) -> list[tuple[str, int]]:
    mentions = []
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS)) as database:
            database.text_factory = bytes
            tables = database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%WITHOUT ROWID%' "
                "AND sql NOT LIKE 'CREATE VIRTUAL%'"
            ).fetchall()
            for (name,) in tables:
                table = name.decode()
                for row, *values in database.execute(f"SELECT rowid, * FROM {_quoted(table)}"):  # noqa: S608
                    if names.are_in(b"\n".join(value for value in values if isinstance(value, bytes))):
                        mentions.append((table, row))
    except sqlite3.DatabaseError as error:
        if is_locked(error):
            raise _locked(path, "searched", error) from error
        raise UnsearchableError(f"it is a damaged database: {first_line(error)}") from error
    return mentions


def _locked(path: Path, action: str, error: sqlite3.Error) -> UserError:
    return UserError(
        f"{path}: rows cannot be {action} ({error}); end the processes that use it and run this again"
    )


def _quoted(table: str) -> str:
    return '"' + table.replace('"', '""') + '"'


def _table_mentions(file: IO[bytes], names: Names) -> bool:
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(65_536):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                if _frame_mentions(frame, names):
                    return True
    except (pyarrow.lib.ArrowException, OSError) as error:
        raise UnsearchableError(f"it is a damaged table: {first_line(error)}") from error
    return False


def _frame_mentions(frame: pl.DataFrame, names: Names) -> bool:
    cells = pl.Series(sorted(names.cells), dtype=pl.String)
    for each in frame.iter_columns():
        column = each.cast(pl.String) if isinstance(each.dtype, (pl.Categorical, pl.Enum)) else each
        if column.dtype == pl.String:
            if column.is_in(cells.implode()).any():
                return True
            if column.name == "speaker" and column.is_in(sorted(names.speakers)).any():
                return True
            if names.are_in("\n".join(column.drop_nulls()).encode("utf-8", "surrogatepass")):
                return True
        elif column.dtype == pl.Binary:
            if names.are_in(b"\n".join(column.drop_nulls())):
                return True
        elif column.dtype.is_nested() and names.are_in(
            json.dumps(column.to_list(), default=str, ensure_ascii=False).encode("utf-8", "surrogatepass")
        ):
            return True
    return False


def _bytes_mention(file: IO[bytes] | Piece, head: bytes, names: Names) -> bool:
    is_utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder("utf-16")("replace") if is_utf16 else None
    tail = b""
    while block := file.read(_BLOCK_BYTES):
        text = decoder.decode(block).encode("utf-8", "surrogatepass") if decoder else block
        if names.are_in(tail + text):
            return True
        # A name may lie across two blocks.
        tail = (tail + text)[-2 * names.longest - 1 :]
    return False
