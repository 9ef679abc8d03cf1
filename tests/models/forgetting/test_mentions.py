"""Files that mention a name are found in whatever form they hold it, and others are not."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.forgetting.mentions import _BLOCK_BYTES, Names, mentions, remove_rows

NAMES = Names({"call-001", "séance 7", "u1"}, {"anna-k", "3"})


def parquet(**columns: object) -> Callable[[Path], None]:
    return lambda path: pl.DataFrame(columns).write_parquet(path)


def database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute('CREATE TABLE "log ""x""" (message TEXT, size INTEGER)')
        connection.executemany(
            'INSERT INTO "log ""x""" VALUES (?, ?)', [("about call-001", 1), ("about call-0012", 2)]
        )


HOLD: dict[str, Callable[[Path], object]] = {
    "a cell": parquet(utterance_id=["call-002", "call-001"]),
    "a short id in a cell": parquet(utterance_id=["u1"]),
    "a short speaker": parquet(speaker=["3"]),
    "a cell with more text": parquet(audio=["/data/call-001.wav"]),
    "a list": parquet(ids=[["call-002"], ["call-001"]]),
    "a struct": parquet(row=[{"id": "séance 7"}]),
    "a word of a text": lambda path: path.write_text("see call-001.wav"),
    "JSON": lambda path: path.write_text(json.dumps({"id": "séance 7"})),
    "JSON in UTF-8": lambda path: path.write_text(json.dumps({"id": "séance 7"}, ensure_ascii=False)),
    "a variant": lambda path: path.write_bytes(b"\0\1call-001~2\0"),
    "a speaker": lambda path: path.write_text("speaker,anna-k\n"),
    "across blocks": lambda path: path.write_bytes(b"." * (_BLOCK_BYTES - 3) + b"call-001" + b"." * 99),
    "a phrase across blocks": lambda path: path.write_bytes(b"." * (_BLOCK_BYTES - 3) + "séance 7".encode()),
    "a database": database,
}
DO_NOT: dict[str, Callable[[Path], object]] = {
    "a longer id": lambda path: path.write_text("call-0012 and xcall-001"),
    "another column": parquet(number=["3"], utterance_id=["u11"]),
    "a short name in a text": lambda path: path.write_text("u1, 3"),
    "numbers": parquet(speaker=[3]),
    "nothing": lambda path: path.write_bytes(b""),
    "a damaged table": lambda path: path.write_bytes(b"PAR1call"),
    "a damaged database": lambda path: path.write_bytes(b"SQLite format 3\0" + b"x" * 99),
    "an empty archive": lambda path: tarfile.open(path, "w").close(),
}


@pytest.mark.parametrize("kind", HOLD)
def test_what_mentions_a_name_is_found(tmp_path: Path, kind: str) -> None:
    HOLD[kind](tmp_path / "file")
    assert mentions(tmp_path / "file", NAMES)


@pytest.mark.parametrize("kind", DO_NOT)
def test_what_mentions_none_is_not(tmp_path: Path, kind: str) -> None:
    DO_NOT[kind](tmp_path / "file")
    assert not mentions(tmp_path / "file", NAMES)


def test_rows_of_a_database_are_removed_for_good(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    database(path)
    assert remove_rows(path, NAMES) == 1
    assert remove_rows(path, NAMES) == 0
    assert b"call-001'" not in path.read_bytes()
    with sqlite3.connect(path) as connection:
        assert connection.execute('SELECT message FROM "log ""x"""').fetchall() == [("about call-0012",)]
    assert path.read_bytes().count(b"call-001") == 1


def test_files_that_cannot_be_read_mention_nothing(tmp_path: Path) -> None:
    assert not mentions(tmp_path / "absent", NAMES)


@pytest.mark.parametrize("action", [mentions, remove_rows])
def test_a_locked_database_is_named_and_not_taken_to_mention_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Callable[[Path, Names], object]
) -> None:
    monkeypatch.setattr("ambivox.models.forgetting.mentions._WAIT_SECONDS", 0.1)
    database(tmp_path / "runs.db")
    with sqlite3.connect(tmp_path / "runs.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UserError, match=r"runs\.db: rows cannot be searched .*locked.*run this again"):
            action(tmp_path / "runs.db", NAMES)
        other.execute("ROLLBACK")
    assert action(tmp_path / "runs.db", NAMES)
