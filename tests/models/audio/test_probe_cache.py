"""The cache of probing heals itself, is shared by runs at the same time, and never costs a result."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random

import numpy as np
import pytest

import ambivox.models.audio.probing
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.probe_cache import forget_recordings
from ambivox.models.audio.probing import probe
from ambivox.models.errors import UserError
from tests.support.wav_files import tone, write_wav


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    """Four recordings."""
    return [write_wav(tmp_path / f"{index}.wav", tone(0.1 + index / 10)) for index in range(4)]


def damage(kind: str, path: Path) -> None:
    """Damage a cache that holds the recordings."""
    content = bytearray(path.read_bytes())
    if kind == "text":
        path.write_text("this is no database\n" * 50)
    elif kind == "zeros":
        path.write_bytes(bytes(len(content)))
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "first page only":
        path.write_bytes(content[:512])
    elif kind == "noise in the middle":
        content[600:-100] = np.random.default_rng(0).bytes(len(content) - 700)
        path.write_bytes(content)
    elif kind == "noise in the header":
        content[20:100] = np.random.default_rng(0).bytes(80)
        path.write_bytes(content)
    elif kind == "other columns":
        path.unlink()
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE recordings (audio TEXT)")
        database.execute("CREATE TABLE clips (audio TEXT)")
        database.commit()
        database.close()
    elif kind == "a folder":
        path.unlink()
        path.mkdir()
    elif kind == "an earlier version":
        path.unlink()
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE probed (audio TEXT PRIMARY KEY, size INTEGER)")
        database.execute("INSERT INTO probed VALUES ('a', 1)")
        database.commit()
        database.close()
    elif kind == "an earlier version of reading":
        database = sqlite3.connect(path)
        database.execute("UPDATE clips SET frames = 1")
        database.execute("PRAGMA user_version = 0")
        database.commit()
        database.close()


HEALING = [
    "text",
    "zeros",
    "empty",
    "cut off",
    "first page only",
    "noise in the middle",
    "noise in the header",
    "other columns",
    "an earlier version",
    "an earlier version of reading",
]


@pytest.mark.parametrize("kind", [*HEALING, "a folder"])
def test_a_damaged_cache_costs_time_only(
    tmp_path: Path, names: list[str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "audio.sqlite"
    expected = probe(names, cache)
    damage(kind, cache)
    assert probe(names, cache).equals(expected)
    assert probe(names, cache).equals(expected)
    if kind in HEALING:  # the next run reads no audio again
        monkeypatch.setattr(ambivox.models.audio.probing, "_examine", None)
        assert probe(names, cache).equals(expected)


def test_a_flipped_bit_changes_no_result(tmp_path: Path, names: list[str]) -> None:
    cache = tmp_path / "audio.sqlite"
    expected = probe(names, cache)
    sound = cache.read_bytes()
    random = Random(5)
    places = [place for place, value in enumerate(sound) if value]
    for place in random.sample(places, 150):
        flipped = bytearray(sound)
        flipped[place] ^= 1 << random.randrange(8)
        cache.write_bytes(flipped)
        assert probe(names, cache).equals(expected)


@pytest.mark.parametrize("value", ["'x'", "NULL", "x'ff'", "1e300", "-1", "9223372036854775807"])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("recordings", name) for name in ("sha256", "rate_hz", "channels", "corrected")),
        *(("clips", name) for name in ("frames", "heard")),
    ],
)
def test_a_value_of_another_kind_is_unknown(
    table: str, column: str, value: str, tmp_path: Path, names: list[str]
) -> None:
    cache = tmp_path / "audio.sqlite"
    expected = probe(names, cache)
    with closing(sqlite3.connect(cache)) as database, database:
        database.execute(f"UPDATE {table} SET {column} = {value}")  # noqa: S608  (constants)
    assert probe(names, cache).equals(expected)


def test_a_table_of_the_user_that_is_called_like_the_cache_s_stays(tmp_path: Path, names: list[str]) -> None:
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as theirs, theirs:
        theirs.execute("CREATE TABLE recordings (name TEXT)")
        theirs.execute("INSERT INTO recordings VALUES ('a')")
    with pytest.raises(UserError, match="it has the table 'recordings'"):
        probe(names, tmp_path / "study.sqlite")
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as theirs:
        assert theirs.execute("SELECT * FROM recordings").fetchall() == [("a",)]


def test_a_database_of_the_user_is_left_alone(tmp_path: Path, names: list[str]) -> None:
    theirs = sqlite3.connect(tmp_path / "study.sqlite")
    theirs.execute("CREATE TABLE clips (name TEXT)")
    theirs.execute("CREATE TABLE raters (name TEXT)")
    theirs.execute("INSERT INTO clips VALUES ('a')")
    theirs.commit()
    with pytest.raises(
        UserError, match=r"study\.sqlite: not a cache of Ambivox \(it has the table 'raters'\)"
    ):
        probe(names, tmp_path / "study.sqlite")
    assert theirs.execute("SELECT * FROM clips").fetchall() == [("a",)]


def test_a_file_of_the_user_is_not_moved(tmp_path: Path, names: list[str]) -> None:
    votes = tmp_path / "votes.csv"
    votes.write_text("utterance_id,label\n" * 100)
    with pytest.raises(UserError, match=r"votes\.csv: not a cache of Ambivox"):
        probe(names, votes)
    assert votes.read_text() == "utterance_id,label\n" * 100


def test_a_locked_cache_is_done_without(
    tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "audio.sqlite"
    expected = probe(names[:2], cache)
    monkeypatch.setattr("ambivox.models.audio.cache_database._WAIT_SECONDS", 0.05)
    locking = sqlite3.connect(cache, isolation_level=None)
    locking.execute("BEGIN EXCLUSIVE")
    assert probe(names, cache)[:2].equals(expected)
    locking.execute("ROLLBACK")
    locking.close()
    assert probe(names, cache)[:2].equals(expected)


def test_many_runs_share_a_new_cache(tmp_path: Path) -> None:
    names = [write_wav(tmp_path / "audio" / f"{index}.wav", tone(0.1)) for index in range(40)]
    cache, start = tmp_path / "cache" / "audio.sqlite", time.time() + 4
    code = (
        "import sys, time; from pathlib import Path; from ambivox.models.audio.probing import probe; "
        f"time.sleep(max(0, {start} - time.time())); "
        f"print(probe({names!r}, Path({str(cache)!r}))['problem'].null_count())"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in running:
        output, errors = process.communicate(timeout=100)
        assert (process.returncode, output, errors) == (0, "40\n", "")
    database = sqlite3.connect(cache)
    assert database.execute("SELECT count(*) FROM recordings").fetchone() == (40,)
    database.close()


@pytest.mark.parametrize("name", ["a'; DROP TABLE recordings; --.wav", "ä ö.wav", "a\nb.wav", "%s.wav"])
def test_any_name_is_remembered(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = write_wav(tmp_path / name, tone()), tmp_path / "audio.sqlite"
    expected = probe([path], cache)
    monkeypatch.setattr(ambivox.models.audio.probing, "_examine", None)
    assert probe([path], cache).equals(expected)


def test_recordings_are_forgotten_by_path_or_hash(names: list[str], tmp_path: Path) -> None:
    cache = tmp_path / "cache.sqlite"
    clips = [Clip(name) for name in names] + [Clip(names[0], 0.0, 0.05)]
    probed = probe(clips, cache)
    assert forget_recordings(cache, {names[0]}, {probed["audio_sha256"][1]}) == 2
    assert forget_recordings(cache, {names[0]}, {probed["audio_sha256"][1]}) == 0
    held = cache.read_bytes()
    for name, sha256 in zip(names[:2], probed["audio_sha256"], strict=False):
        assert name.encode() not in held
        assert sha256.encode() not in held
    assert names[2].encode() in held
    assert probe(clips, cache).equals(probed)
    assert forget_recordings(tmp_path / "absent.sqlite", {names[0]}, set()) == 0
