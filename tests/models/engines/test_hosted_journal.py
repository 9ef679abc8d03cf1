"""The journal of paid answers: forgotten clips, journals of earlier versions, and files that are locked, full or damaged."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ambivox.models.engines.hosted import journal_file
from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.batch_jobs import BatchJobs, Job, Row
from ambivox.models.engines.hosted.journal import Journal, forget_audio, request_key
from ambivox.models.engines.hosted.limits import MAX_OPEN
from ambivox.models.errors import OutageError, UserError
from ambivox.models.file_errors import DiskFullError

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


def spoilt(path: Path, number: int, text: str) -> None:
    """Have a stored answer be what an earlier version, or damage, may have left."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE answers SET answer = ? WHERE request = ?", (text, request_key(number)))
    database.close()


@pytest.mark.parametrize("text", ["", "{", "7", "null", "{}", '{"text": "a", "usage": {}}', "[" * 100_000])
def test_an_answer_that_cannot_be_read_is_counted_and_asked_for_again(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "hosted.sqlite"
    fill(path)
    spoilt(path, 0, text)
    with caplog.at_level("WARNING", "ambivox"):
        journal = Journal(path, "https://api.example.org", "model")
    if '"text"' not in text:
        assert "hosted.sqlite: 1 paid answer cannot be read" in caplog.text
    assert journal.usage().requests == 3 and journal.usage().usage == Usage(text=3)
    assert journal.find(request_key(0)) is None
    kept = journal.find(request_key(2))
    assert kept is not None and kept.text == "bnswer 2"
    journal.add(request_key(0), answer(7), f"{ANNA}:0")
    journal.add(request_key(2), answer(8), f"{BORIS}:0")
    journal.close()
    caplog.clear()
    journal = Journal(path, "https://api.example.org", "model")
    texts = [found and found.text for found in map(journal.find, map(request_key, (0, 2)))]
    assert texts == ["answer 7", "bnswer 2"] and not caplog.text
    journal.close()


def test_answers_with_infinite_numbers_or_halves_of_characters_are_written_again(tmp_path: Path) -> None:
    path = tmp_path / "hosted.sqlite"
    fill(path)
    top = '[["A", -0.5], ["B", -Infinity]]'
    whole = f'{{"text": "\\ud83d", "model": "m", "usage": {{"text": 1}}, "refused": false, "top_logprobs": {top}}}'
    spoilt(path, 0, whole)
    spoilt(path, 1, whole.replace("-0.5", "NaN"))
    journal = Journal(path, "https://api.example.org", "model")
    found = [journal.find(request_key(number)) for number in range(2)]
    assert [each and each.text for each in found] == ["\ufffd"] * 2
    assert [each and each.top_logprobs for each in found] == [(("A", -0.5), ("B", -9999.0)), ()]
    assert journal.usage().requests == 3
    journal.close()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT min(json_valid(answer)) FROM answers").fetchall() == [(1,)]


def test_what_is_secret_in_stored_addresses_is_removed_and_the_answers_are_found(tmp_path: Path) -> None:
    path = tmp_path / "hosted.sqlite"
    fill(path)
    jobs = BatchJobs(path, "https://api.example.org model")
    jobs.add(Job("job", "", {"a": Row("key", f"{BORIS}:0", 1, 1)}))
    jobs.close()
    with sqlite3.connect(path) as database:
        for table in ("answers", "batches"):
            database.execute(
                f"UPDATE {table} SET endpoint = 'https://me:SECRET@api.example.org/?token=SECRET model'"  # noqa: S608
            )
    database.close()
    assert forget_audio(path, {ANNA}) == (2, ["https://api.example.org/ model"])
    journal = Journal(path, "https://me:OTHER@api.example.org/", "model")
    assert journal.asked == "https://api.example.org/ model" and journal.usage().requests == 1
    jobs = BatchJobs(path, journal.asked)
    assert [job.name for job in jobs.open()] == ["job"]
    jobs.close()
    journal.close()
    assert b"SECRET" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())


@contextmanager
def locked_by_another_process(path: Path, mode: str = "IMMEDIATE") -> Iterator[subprocess.Popen[str]]:
    """A lock for writing, held by a process of its own until it ends or the block does."""
    program = (
        "import sqlite3, sys; database = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "database.execute(sys.argv[2]); print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path), f"BEGIN {mode}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    try:
        yield holder
    finally:
        holder.kill()
        holder.wait()


def answer(number: int) -> Answer:
    return Answer(text=f"answer {number}", model="model", usage=Usage(text=1))


def added_at_once(journal: Journal, threads: ThreadPoolExecutor) -> list[Future[None]]:
    """As many answers as may be on their way, each added by a thread of its own."""
    return [
        threads.submit(journal.add, request_key(number), answer(number), f"{ANNA}:0")
        for number in range(MAX_OPEN)
    ]


def test_a_lock_that_is_released_in_time_costs_no_answer(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite", "https://api.example.org", "model")
    with locked_by_another_process(tmp_path / "j.sqlite") as holder, ThreadPoolExecutor(MAX_OPEN) as threads:
        written = added_at_once(journal, threads)
        time.sleep(0.3)
        assert journal.usage().requests == 0
        assert not any(each.done() for each in written)
        holder.kill()
        for each in written:
            each.result()
    assert journal.usage().requests == MAX_OPEN
    journal.close()


def test_a_lock_that_stays_ends_all_threads_together_as_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "_WAIT_SECONDS", 0.5)
    path = tmp_path / "j.sqlite"
    journal, jobs = Journal(path, "https://api.example.org", "model"), BatchJobs(path, "e")
    with locked_by_another_process(path), ThreadPoolExecutor(MAX_OPEN) as threads:
        began = time.monotonic()
        written = added_at_once(journal, threads)
        for each in written:
            with pytest.raises(
                OutageError, match=r"locked by another process for 0\.5 s.*the same command resumes"
            ):
                each.result()
        assert time.monotonic() - began < MAX_OPEN / 2  # and not one after the other
        with pytest.raises(OutageError, match="locked by another process"):
            jobs.add(Job("job", "", {"a": Row("key", f"{ANNA}:0", 1, 1)}))
    jobs.add(Job("job", "", {"a": Row("key", f"{ANNA}:0", 1, 1)}))
    assert [job.name for job in jobs.open()] == ["job"]
    jobs.close()
    journal.close()


def test_a_journal_that_is_locked_at_the_start_is_an_outage_and_not_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "_WAIT_SECONDS", 0.2)
    path = tmp_path / "j.sqlite"
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE other (name TEXT)"
        )  # not in WAL mode, where a lock keeps readers out, too
    with locked_by_another_process(path, "EXCLUSIVE"), pytest.raises(OutageError, match="locked"):
        Journal(path, "https://api.example.org", "model")
    Journal(path, "https://api.example.org", "model").close()


def test_a_full_disk_and_a_damaged_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    journal = Journal(path, "https://api.example.org", "model")
    journal._file.execute("PRAGMA max_page_count=8")  # SQLite reports it as it does a full disk
    with pytest.raises(DiskFullError, match="no space left"):
        for number in range(500):
            journal.add(request_key(number), answer(number), f"{ANNA}:0")
    journal.close()
    content = bytearray(path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"cannot be used .*move the damaged file away"):
        Journal(path, "https://api.example.org", "model").usage()
