"""Files that mention a name are found in whatever form they hold it, and others are not."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.forgetting.archives import Budget, UnsearchableError
from ambivox.models.forgetting.mentions import _BLOCK_BYTES, Names, content_mentions, mentions, remove_rows

NAMES = Names({"call-001", "séance 7", "u1"}, {"anna-k", "3"})


def parquet(**columns: object) -> Callable[[Path], None]:
    return lambda path: pl.DataFrame(columns).write_parquet(path)


def database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute('CREATE TABLE "log ""x""" (message TEXT, size INTEGER)')
        connection.executemany(
            'INSERT INTO "log ""x""" VALUES (?, ?)', [("about call-001", 1), ("about call-0012", 2)]
        )


def zipped(content: bytes, name: str = "votes.csv") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def tarred(content: bytes, name: str = "votes.csv") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def parquet_bytes(**columns: object) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


ROW = b"id,label\ncall-001,anger\n"
ARCHIVES = {
    "gzip": gzip.compress(ROW),
    "gzip in two parts": gzip.compress(b"id,label\ncall-") + gzip.compress(b"001,anger\n"),
    "bzip2": bz2.compress(ROW),
    "xz": lzma.compress(ROW),
    "zip": zipped(ROW),
    "a zip's name": zipped(b"", "call-001.wav"),
    "tar": tarred(ROW),
    "a tar's name": tarred(b"", "audio/call-001.wav"),
    "tar.gz of a table": gzip.compress(tarred(parquet_bytes(utterance_id=["u1"]))),
    "zip of gzip": zipped(gzip.compress(ROW)),
    "gzip of zip": gzip.compress(zipped(ROW)),
    "a tar behind a tar": gzip.compress(tarred(b"x") + tarred(ROW)),
}
UNSEARCHABLE = {
    "a damaged table": b"PAR1call",
    "a damaged database": b"SQLite format 3\0" + b"x" * 99,
    "a gzip file cut short": gzip.compress(ROW)[:-9],
    "a zip file cut short": zipped(ROW)[:-30],
    "a zip file of another method": zipped(b"x").replace(b"\x14\0\0\0\x08\0", b"\x14\0\0\0\x63\0"),
    "7z": b"7z\xbc\xaf\x27\x1c" + b"x" * 99,
    "Zstandard": b"\x28\xb5\x2f\xfd" + b"x" * 99,
    "archives in archives": gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(ROW))))),
}


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
    "UTF-16": lambda path: path.write_text("id\ncall-001\n", encoding="utf-16"),
    "categories": lambda path: pl.DataFrame(
        {"id": ["call-001"]}, schema={"id": pl.Categorical}
    ).write_parquet(path),
    "bytes of a table": parquet(raw=[b"see call-001"]),
    "a database": database,
}
DO_NOT: dict[str, Callable[[Path], object]] = {
    "a longer id": lambda path: path.write_text("call-0012 and xcall-001"),
    "another column": parquet(number=["3"], utterance_id=["u11"]),
    "a short name in a text": lambda path: path.write_text("u1, 3"),
    "numbers": parquet(speaker=[3]),
    "nothing": lambda path: path.write_bytes(b""),
    "a text that begins as an archive": lambda path: path.write_text("BZhang, PK, Rar!"),
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


def test_a_file_that_is_gone_mentions_nothing(tmp_path: Path) -> None:
    assert not mentions(tmp_path / "absent", NAMES)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_what_is_in_an_archive_is_found(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(ARCHIVES[kind])
    assert mentions(tmp_path / "file", NAMES)
    assert not mentions(tmp_path / "file", Names({"call-002"}, {"boris"}))


@pytest.mark.parametrize("kind", UNSEARCHABLE)
def test_what_cannot_be_searched_is_not_taken_to_mention_nobody(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(UNSEARCHABLE[kind])
    with pytest.raises(UnsearchableError):
        mentions(tmp_path / "file", Names({"call-002"}, set()))


def test_a_member_that_cannot_be_searched_hides_no_other() -> None:
    content = io.BytesIO(tarred(b"7z\xbc\xaf\x27\x1c") + tarred(gzip.compress(ROW)))
    assert content_mentions(content, NAMES)
    with pytest.raises(UnsearchableError):
        content_mentions(content, Names({"call-002"}, set()))


def test_what_unpacks_to_far_more_than_its_size_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ambivox.models.forgetting.archives._ALWAYS_UNPACKED", 1000)
    for content in (gzip.compress(bytes(10**6)), gzip.compress(zipped(bytes(10**6)))):
        with pytest.raises(UnsearchableError, match="far more than its size"):
            content_mentions(io.BytesIO(content), NAMES)
    Budget(100).spend(3000)


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
