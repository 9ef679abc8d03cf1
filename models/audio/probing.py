"""Duration, sample rate and SHA-256 of audio files without decoding them, in parallel, with a cache between runs.

The cache is a SQLite file with one row per path, valid for one size and time of change, so a second ingest of a corpus
reads no audio. It holds properties of files only; whether a duration can be used is checked every time. Files that
cannot be read are not cached.
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

import platformdirs
import polars as pl

from ambivox.models.audio.decoding import AudioError, check_duration, open_audio, open_sound, truncated
from ambivox.models.audio.wav_header import HEAD_BYTES, wav_header
from ambivox.models.errors import UserError
from ambivox.models.object_store import is_object_url, object_info
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


class FileVersion(NamedTuple):
    """Size and time of change: a file with both unchanged counts as unchanged."""

    size: int
    changed_ns: int


class AudioProperties(NamedTuple):
    """What a file's bytes and its header say."""

    sha256: str
    frames: int
    rate_hz: int
    channels: int


def cache_file() -> Path:
    """Return the default cache file: in the folder AMBIVOX_CACHE, else in the user's cache folder.

    Returns:
        On Linux, ``~/.cache/ambivox/audio.sqlite``, or the same under ``XDG_CACHE_HOME``.
    """
    folder = os.environ.get("AMBIVOX_CACHE") or platformdirs.user_cache_dir("ambivox", appauthor=False)
    return Path(folder) / "audio.sqlite"


def probe(audio: Sequence[str], cache: Path | None = None, workers: int | None = None) -> pl.DataFrame:
    """Probe audio files without decoding them; memory does not grow with the amount of audio.

    Args:
        audio: Paths or ``s3://`` URLs.
        cache: The SQLite file; by default ``cache_file()``.
        workers: The number of threads; by default one per core, or 16 where some audio is on S3.

    Returns:
        One row per entry of ``audio``, in order, with the columns of SCHEMA. For audio that cannot be used,
        ``problem`` is the reason of the ``AudioError`` and ``detail`` its message; other columns may then be null.

    Raises:
        UserError: The cache is a file of another kind, or S3 cannot be reached.
    """
    names = list(dict.fromkeys(audio))
    workers = workers or (16 if any(is_object_url(name) for name in names) else os.cpu_count() or 1)
    with closing(_open(cache or cache_file())) as database, ThreadPoolExecutor(workers) as pool:
        versions = dict(zip(names, map_in_batches(pool, _version, names, "looking for audio"), strict=True))
        # Cache keys are absolute, so that relative paths are found from any working directory.
        here = f"{Path.cwd()}/"
        keys = {name: name if name.startswith("/") or is_object_url(name) else here + name for name in names}
        cached = _read_cache(database, versions, keys)
        new = [name for name in names if name not in cached]
        probed: dict[str, AudioProperties | AudioError] = {}
        try:
            results = map_in_batches(pool, _examine, new, "probing audio")
            probed.update(zip(new, results, strict=True))
        finally:  # after an interruption, files that were hashed need not be hashed again
            _write_cache(database, versions, keys, probed)
    rows = {name: _row(name, cached[name] if name in cached else probed[name]) for name in names}
    return pl.DataFrame([rows[name] for name in audio], schema=SCHEMA, orient="row")


def _version(audio: str) -> FileVersion | None:
    try:
        if is_object_url(audio):
            info = object_info(audio)
            return FileVersion(info.size, info.modified_ns)
        if "\0" in audio:
            return None
        status = os.stat(audio)  # noqa: PTH116 - several times faster than Path, for every file
        return FileVersion(status.st_size, status.st_mtime_ns)
    except OSError:
        return None


def _examine(audio: str) -> AudioProperties | AudioError:
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
                    return truncated(audio, header.missing_bytes)
                return AudioProperties(digest.hexdigest(), header.frames, header.rate_hz, header.channels)
            with open_sound(source, audio) as sound:
                return AudioProperties(
                    digest.hexdigest(), int(sound.frames), int(sound.samplerate), int(sound.channels)
                )
    except AudioError as error:
        return error


def _row(audio: str, probed: AudioProperties | AudioError) -> tuple[object, ...]:
    if isinstance(probed, AudioError):
        return (audio, None, None, None, None, probed.reason, str(probed))
    problem: tuple[str | None, str | None] = (None, None)
    try:
        check_duration(audio, probed.frames, probed.rate_hz)
    except AudioError as error:
        problem = (error.reason, str(error))
    seconds = probed.frames / probed.rate_hz
    return (audio, probed.sha256, seconds, probed.rate_hz, probed.channels, *problem)


def _open(path: Path) -> sqlite3.Connection:
    """Open or create the cache; where its folder cannot be written, use one in memory for this run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=60)
    except (OSError, sqlite3.OperationalError):
        database = sqlite3.connect(":memory:")
    try:
        database.execute(_TABLE)
    except sqlite3.OperationalError:
        database.close()
        database = sqlite3.connect(":memory:")
        database.execute(_TABLE)
    except sqlite3.DatabaseError as error:
        database.close()
        raise UserError(f"{path}: not a cache of Ambivox ({error}); delete it") from error
    return database


def _read_cache(
    database: sqlite3.Connection, versions: dict[str, FileVersion | None], keys: dict[str, str]
) -> dict[str, AudioProperties]:
    database.execute("CREATE TEMP TABLE requested (audio TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID")
    database.executemany("INSERT INTO requested VALUES (?, ?)", ((key, name) for name, key in keys.items()))
    rows = database.execute(
        "SELECT name, size, changed_ns, sha256, frames, rate_hz, channels "
        "FROM probed JOIN requested USING (audio)"
    )
    return {
        name: AudioProperties(*properties)
        for name, size, changed, *properties in rows
        if versions[name] == (size, changed)
    }


def _write_cache(
    database: sqlite3.Connection,
    versions: dict[str, FileVersion | None],
    keys: dict[str, str],
    probed: dict[str, AudioProperties | AudioError],
) -> None:
    new = [
        (keys[name], *version, *properties)
        for name, properties in probed.items()
        if isinstance(properties, AudioProperties) and (version := versions[name]) is not None
    ]
    with database:
        database.executemany("INSERT OR REPLACE INTO probed VALUES (?, ?, ?, ?, ?, ?, ?)", new)
