"""Length, rate and SHA-256 of audio files without decoding them: in parallel, and remembered between runs.

What was found is kept in a SQLite file by path, size and time of change, so a second ingest of a corpus reads
no audio at all. Only facts are kept; whether a length is usable is decided anew each time. Files that cannot
be read are never remembered.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ambivox.models.audio.decoding import (
    AudioError,
    check_duration,
    cut_short,
    open_audio,
    open_sound,
)
from ambivox.models.audio.wav_header import HEAD_BYTES, wav_header
from ambivox.models.errors import UserError
from ambivox.models.object_store import object_info
from ambivox.models.parallel import map_in_batches

_READ_BYTES = 1 << 20
_TABLE = """
CREATE TABLE IF NOT EXISTS probed (
    audio TEXT PRIMARY KEY, size INTEGER, changed_ns INTEGER, sha256 TEXT, frames INTEGER, rate_hz INTEGER,
    channels INTEGER
) WITHOUT ROWID"""
SCHEMA = {
    "audio": pl.String,
    "audio_sha256": pl.String,
    "duration_seconds": pl.Float64,
    "sample_rate_hz": pl.Int64,
    "channels": pl.Int64,
    "problem": pl.String,
    "detail": pl.String,
}


class Stamp(NamedTuple):
    """What tells that a file has not changed."""

    size: int
    changed_ns: int


class Facts(NamedTuple):
    """What a header and the bytes say."""

    sha256: str
    frames: int
    rate_hz: int
    channels: int


def cache_file() -> Path:
    """Where facts are kept: in AMBIVOX_CACHE, else in the user's cache folder."""
    if folder := os.environ.get("AMBIVOX_CACHE"):
        return Path(folder) / "audio.sqlite"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ambivox" / "audio.sqlite"


def probe(audio: Sequence[str], cache: Path | None = None, workers: int | None = None) -> pl.DataFrame:
    """Probe local files and ``s3://`` URLs; nothing is decoded and memory does not grow with the audio.

    Args:
        audio: Paths or URLs.
        cache: The SQLite file; ``cache_file()`` where not given.
        workers: Threads; by default one a core, and 16 where there is something on S3.

    Returns:
        One row an entry of ``audio``, in order, with the columns of SCHEMA: seconds, Hz, channels; where
        ``problem`` is not null it is the reason of an ``AudioError``, ``detail`` the message, and the rest
        may be null.
    """
    names = list(dict.fromkeys(audio))
    workers = workers or (16 if any(name.startswith("s3://") for name in names) else os.cpu_count() or 1)
    with closing(_open(cache or cache_file())) as store, ThreadPoolExecutor(workers) as pool:
        stamps = dict(zip(names, map_in_batches(pool, _stamp, names, "looking for audio"), strict=True))
        # A name in the cache holds wherever the project is run from; S3's hold anywhere.
        here = f"{Path.cwd()}/"
        keys = {name: name if name.startswith(("/", "s3://")) else here + name for name in names}
        known = _remembered(store, stamps, keys)
        new = [name for name in names if name not in known]
        facts: dict[str, Facts | AudioError] = {}
        try:
            for name, found in zip(new, map_in_batches(pool, _examine, new, "probing audio"), strict=True):
                facts[name] = found
        finally:  # what was hashed before an interruption need not be hashed again
            _remember(store, stamps, keys, facts)
    rows = {name: _row(name, known[name] if name in known else facts[name]) for name in names}
    return pl.DataFrame([rows[name] for name in audio], schema=SCHEMA, orient="row")


def _stamp(audio: str) -> Stamp | None:
    try:
        if audio.startswith("s3://"):
            found = object_info(audio)
            return Stamp(found.size, found.modified_ns)
        if "\0" in audio:
            return None
        status = os.stat(audio)  # noqa: PTH116 - several times faster than Path, and asked of every file
        return Stamp(status.st_size, status.st_mtime_ns)
    except OSError:
        return None


def _examine(audio: str) -> Facts | AudioError:
    digest, head, size = hashlib.sha256(), b"", 0
    try:
        with open_audio(audio) as source:
            while block := source.read(_READ_BYTES):
                head = head or block[:HEAD_BYTES]
                size += len(block)
                digest.update(block)
            header = wav_header(head, size)
            if header is not None:
                if header.missing_bytes:
                    return cut_short(audio, header.missing_bytes)
                return Facts(digest.hexdigest(), header.frames, header.rate_hz, header.channels)
            with open_sound(source, audio) as sound:
                found = (int(sound.frames), int(sound.samplerate), int(sound.channels))
                return Facts(digest.hexdigest(), *found)
    except AudioError as error:
        return error


def _row(audio: str, found: Facts | AudioError) -> tuple[object, ...]:
    if isinstance(found, AudioError):
        return (audio, None, None, None, None, found.reason, str(found))
    problem: tuple[str | None, str | None] = (None, None)
    try:
        check_duration(audio, found.frames, found.rate_hz)
    except AudioError as error:
        problem = (error.reason, str(error))
    return (audio, found.sha256, found.frames / found.rate_hz, found.rate_hz, found.channels, *problem)


def _open(path: Path) -> sqlite3.Connection:
    """Open or make the cache; where its folder cannot be written, one in memory does for this run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        store = sqlite3.connect(path, timeout=60)
    except (OSError, sqlite3.OperationalError):
        store = sqlite3.connect(":memory:")
    try:
        store.execute(_TABLE)
    except sqlite3.OperationalError:
        store.close()
        store = sqlite3.connect(":memory:")
        store.execute(_TABLE)
    except sqlite3.DatabaseError as error:
        store.close()
        raise UserError(f"{path}: not a cache of Ambivox ({error}); delete it") from error
    return store


def _remembered(
    store: sqlite3.Connection, stamps: dict[str, Stamp | None], keys: dict[str, str]
) -> dict[str, Facts]:
    store.execute("CREATE TEMP TABLE wanted (audio TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID")
    store.executemany("INSERT INTO wanted VALUES (?, ?)", ((key, name) for name, key in keys.items()))
    rows = store.execute(
        "SELECT name, size, changed_ns, sha256, frames, rate_hz, channels "
        "FROM probed JOIN wanted USING (audio)"
    )
    return {name: Facts(*facts) for name, size, changed, *facts in rows if stamps[name] == (size, changed)}


def _remember(
    store: sqlite3.Connection,
    stamps: dict[str, Stamp | None],
    keys: dict[str, str],
    facts: dict[str, Facts | AudioError],
) -> None:
    new = [
        (keys[name], *stamp, *found)
        for name, found in facts.items()
        if isinstance(found, Facts) and (stamp := stamps[name]) is not None
    ]
    with store:
        store.executemany("INSERT OR REPLACE INTO probed VALUES (?, ?, ?, ?, ?, ?, ?)", new)
