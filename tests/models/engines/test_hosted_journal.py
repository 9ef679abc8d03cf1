"""Paid answers about forgotten clips are removed from the journal; a journal of an earlier version is read and removed from."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.journal import Journal, forget_audio, request_key
from ambivox.models.errors import UserError

ANNA, BORIS = "a" * 64, "b" * 64
EARLIER = """CREATE TABLE answers (endpoint TEXT, request TEXT, answer TEXT, model TEXT, text_tokens INTEGER,
audio_tokens INTEGER, cached_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER,
at TEXT DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (endpoint, request))"""


def fill(path: Path) -> None:
    journal = Journal(path, "https://api.example.org", "model")
    for number, name in enumerate((f"{ANNA}:0", f"{ANNA}:transcript", f"{BORIS}:0")):
        answer = Answer(text=f"{name[0]}nswer {number}", model="model", usage=Usage(text=1))
        journal.add(request_key(number), answer, name)
    journal.close()


def test_answers_about_a_clip_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "hosted.sqlite"
    fill(path)
    assert forget_audio(path, {ANNA}) == (2, ["https://api.example.org model"])
    assert forget_audio(path, {ANNA}) == (0, [])
    held = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert ANNA.encode() not in held
    assert b"answer 0" not in held
    journal = Journal(path, "https://api.example.org", "model")
    assert journal.find(request_key(0)) is None
    found = journal.find(request_key(2))
    assert found is not None
    assert found.text == "bnswer 2"
    journal.close()


def test_answers_of_an_earlier_version_may_be_about_anybody(tmp_path: Path) -> None:
    path = tmp_path / "hosted.sqlite"
    with sqlite3.connect(path) as database:
        database.execute(EARLIER)
        database.execute(
            "INSERT INTO answers (endpoint, request, answer, model) VALUES ('e', 'r', '{}', 'm')"
        )
    fill(path)
    assert forget_audio(path, {ANNA})[0] == 3
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT audio_name FROM answers").fetchall() == [(f"{BORIS}:0",)]


def test_without_a_journal_there_is_nothing(tmp_path: Path) -> None:
    assert forget_audio(tmp_path / "absent", {ANNA}) == (0, [])
    assert not (tmp_path / "absent").exists()
    (tmp_path / "other").write_text("not a journal")
    with pytest.raises(UserError, match="answers cannot be removed from the journal"):
        forget_audio(tmp_path / "other", {ANNA})
