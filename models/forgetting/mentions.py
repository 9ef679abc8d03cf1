"""Whether a file mentions one of many names: in the cells of a table, in the rows of a database, or as words of its bytes."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import polars as pl
import pyarrow.parquet

from ambivox.models.engines.hosted.journal_file import is_locked
from ambivox.models.errors import UserError

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
        path: The file; one that cannot be read mentions nothing.
        names: The names.

    Raises:
        UserError: A database is locked, so that nobody knows.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if head.startswith(_PARQUET_MAGIC):
            return _table_mentions(path, names)
        if head == SQLITE_MAGIC:
            return bool(_rows(path, names))
        return _bytes_mention(path, names)
    except OSError:
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
        return mentions
    return mentions


def _locked(path: Path, action: str, error: sqlite3.Error) -> UserError:
    return UserError(
        f"{path}: rows cannot be {action} ({error}); end the processes that use it and run this again"
    )


def _quoted(table: str) -> str:
    return '"' + table.replace('"', '""') + '"'


def _table_mentions(path: Path, names: Names) -> bool:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(65_536):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                if _frame_mentions(frame, names):
                    return True
    except (pyarrow.lib.ArrowException, OSError):
        return False
    return False


def _frame_mentions(frame: pl.DataFrame, names: Names) -> bool:
    cells = pl.Series(sorted(names.cells), dtype=pl.String)
    for column in frame.iter_columns():
        if column.dtype == pl.String:
            if column.is_in(cells.implode()).any():
                return True
            if column.name == "speaker" and column.is_in(sorted(names.speakers)).any():
                return True
            if names.are_in("\n".join(column.drop_nulls()).encode("utf-8", "surrogatepass")):
                return True
        elif column.dtype.is_nested() and names.are_in(
            json.dumps(column.to_list(), default=str, ensure_ascii=False).encode("utf-8", "surrogatepass")
        ):
            return True
    return False


def _bytes_mention(path: Path, names: Names) -> bool:
    tail = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            if names.are_in(tail + block):
                return True
            # A name may lie across two blocks.
            tail = block[-2 * names.longest - 1 :]
    return False
