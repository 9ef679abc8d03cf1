"""The SQLite file of what probing remembers: opened, made anew where it is damaged, and never a user's own database."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ambivox.models.errors import UserError

_logger = logging.getLogger(__name__)
NAME = "audio.sqlite"
_MAGIC = b"SQLite format 3\0"
_WAIT_SECONDS = 10.0
_VERSION = 2  # raise it when reading or hearing the same bytes gives another result, or the tables change
_OWN_TABLES = {"recordings", "clips", "probed"}  # the last is of an early version
_TABLES = """
CREATE TABLE recordings (
    audio TEXT PRIMARY KEY, size INTEGER, changed_ns INTEGER, sha256 TEXT, rate_hz INTEGER, channels INTEGER,
    corrected TEXT, digest TEXT
) WITHOUT ROWID;
CREATE TABLE clips (
    sha256 TEXT, start REAL, end REAL, channel INTEGER, frames INTEGER, heard TEXT, digest TEXT,
    PRIMARY KEY (sha256, start, end, channel)
) WITHOUT ROWID;
"""


@contextmanager
def open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open or create the cache; transactions are explicit.

    Args:
        path: The file.

    Raises:
        UserError: It is a database of another kind.
        sqlite3.DatabaseError: It is locked, damaged or not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unavailable(error) from error
    with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        others = sorted(name for name in tables - _OWN_TABLES if not name.startswith("sqlite_"))
        if path.name != NAME:  # a user's table may be called like one of these
            others += [name for name in tables & _OWN_TABLES if "sha256" not in _columns(database, name)]
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if others and path.name == NAME and 0 < version <= _VERSION:
            raise sqlite3.DatabaseError(f"it has the table {others[0]!r}")
        if others:
            raise UserError(
                f"{path}: not a cache of Ambivox (it has the table {others[0]!r}); name another file"
            )
        if version != _VERSION:
            outdated = "".join(f"DROP TABLE IF EXISTS {name};" for name in sorted(_OWN_TABLES))
            database.executescript(
                f"BEGIN IMMEDIATE; {outdated} {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;"
            )
        yield database


def _unavailable(error: OSError) -> sqlite3.OperationalError:
    """Make the error that SQLite has for a file that cannot be opened."""
    unavailable = sqlite3.OperationalError(str(error))
    unavailable.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    return unavailable


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def do_without(path: Path, error: sqlite3.DatabaseError) -> None:
    """Do without a cache that is locked or not writable; move a damaged one away, so that the next call makes a new one.

    Args:
        path: The file.
        error: What SQLite says.

    Raises:
        UserError: It is a user's file of another kind, which stays.
    """
    # Operational errors come from the surroundings, except for SQLITE_ERROR: tables with other columns.
    # A text that is no UTF-8 has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
        _logger.debug("%s: not used (%s)", path, error)
        return
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
        if path.name != NAME and head != _MAGIC:
            raise UserError(f"{path}: not a cache of Ambivox ({error}); delete it or name another file")
        path.replace(path.with_name(f"{path.name}.damaged"))
        for suffix in ("-journal", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        _logger.warning(f"{path}: the cache was damaged ({error}) and is made anew")
    except OSError as failure:
        _logger.debug("%s: damaged and could not be moved (%s)", path, failure)
