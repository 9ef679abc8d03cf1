"""The SQLite file of paid answers and open batches: threads and processes share it, and its failures are one line each."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from ambivox.models.errors import OutageError, UserError
from ambivox.models.file_errors import DiskFullError

# How long another process may keep the file locked. A removal of people, which rewrites it, takes seconds.
_WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


class JournalFile:
    """A connection to the file. Threads may share it.

    Args:
        path: the file; created with its folder.
        tables: the statements that make what is missing of its tables.

    Raises:
        UserError: the file cannot be opened or is no journal.
        OutageError: another process keeps it locked.
        DiskFullError: the disk is full.
    """

    def __init__(self, path: Path, *tables: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite would wait inside a call, and the other threads for that call; waiting is between calls instead.
            self._database = sqlite3.connect(path, timeout=0, check_same_thread=False, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", *tables):
            self.execute(statement)

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement of its own transaction; waits while another process has locked the file.

        Args:
            statement: SQL.
            values: its parameters.

        Returns:
            The rows.

        Raises:
            UserError: the file cannot be read or written, or is no journal.
            OutageError: another process keeps it locked.
            DiskFullError: the disk is full.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                with self._lock:
                    return self._database.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                if not is_locked(error):
                    raise self._unusable(error) from error
                if time.monotonic() >= deadline:
                    raise OutageError(
                        f"{self._path}: the journal of paid answers has been locked by another process for "
                        f"{_WAIT_SECONDS:g} s, so no more are asked for; end that process; the same command resumes"
                    ) from error
            time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _unusable(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_FULL:
            return DiskFullError(self._path)
        return UserError(
            f"{self._path}: the journal of paid answers cannot be used ({error}); no more are asked for. Make the folder "
            "writable, or move the damaged file away"
        )


def is_locked(error: sqlite3.Error) -> bool:
    """Tell whether another connection holds the lock that a statement needs.

    Args:
        error: what SQLite reported.

    Example:
        >>> is_locked(sqlite3.OperationalError("no such table: answers"))
        False
    """
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the error is none of SQLite's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
