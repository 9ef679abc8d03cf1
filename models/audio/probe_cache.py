"""What probing remembers between runs: a SQLite file that several runs share, and that is made anew where it is damaged.

A recording's row is valid for one size and time of change, and for one version of the code that reads it. What was heard of a
clip is stored by the hash of the recording. Errors are not stored. A cache that cannot be used costs time, never a result:
every row holds a digest, and one that does not fit it is unknown.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import platformdirs

from ambivox.models.audio.cache_database import NAME, do_without, open_database
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.listening import Listened
from ambivox.models.errors import UserError


class FileVersion(NamedTuple):
    """Size and time of change: a file with both unchanged counts as unchanged."""

    size: int
    changed_ns: int


class Recording(NamedTuple):
    """What a file's bytes and its header say; ``corrected`` as in ``ambivox.models.audio.sounds.Sound``."""

    sha256: str
    rate_hz: int
    channels: int
    corrected: str | None


class Probed(NamedTuple):
    """A recording and what was heard of its clips."""

    recording: Recording
    clips: Mapping[Clip, Listened]


def cache_file() -> Path:
    """Return the default cache file: in the folder AMBIVOX_CACHE, else in the user's cache folder.

    Returns:
        On Linux, ``~/.cache/ambivox/audio.sqlite``, or the same under ``XDG_CACHE_HOME``.
    """
    folder = os.environ.get("AMBIVOX_CACHE") or platformdirs.user_cache_dir("ambivox", appauthor=False)
    return Path(folder) / NAME


def read_cache(
    path: Path, versions: Mapping[str, FileVersion | None], clips: Mapping[str, Iterable[Clip]]
) -> dict[str, Probed]:
    """Read what is known of recordings that have not changed.

    Args:
        path: The cache.
        versions: The recordings and their versions.
        clips: Per recording, the clips that are wanted.

    Returns:
        The recordings of which everything that is wanted is known.

    Raises:
        UserError: ``path`` is a file of another kind.
    """
    try:
        with open_database(path) as database:
            return dict(_known(database, versions, clips))
    except sqlite3.DatabaseError as error:
        do_without(path, error)
    return {}


def write_cache(path: Path, versions: Mapping[str, FileVersion | None], probed: Mapping[str, Probed]) -> None:
    """Remember recordings.

    Args:
        path: The cache.
        versions: The recordings and their versions; those without a version are not remembered.
        probed: What is known of them.
    """
    recordings = [
        (_key(name), *version, *each.recording, _digest(_key(name), *version, *each.recording))
        for name, each in probed.items()
        if (version := versions[name]) is not None
    ]
    heard = [
        (*row, _digest(*row))
        for each in probed.values()
        for clip, listened in each.clips.items()
        for row in [(each.recording.sha256, *_part(clip), listened.frames, listened.heard)]
    ]
    if not recordings:
        return
    try:
        with open_database(path) as database:
            # The lock is taken before the first statement: one taken halfway could not be waited for.
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT OR REPLACE INTO recordings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", recordings
            )
            database.executemany("INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?, ?, ?)", heard)
            database.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        do_without(path, error)


def forget_recordings(path: Path, recordings: Collection[str], hashes: Collection[str]) -> int:
    """Remove recordings from a cache, and what was heard of them.

    Args:
        path: The cache, which need not exist.
        recordings: Absolute paths and URLs.
        hashes: Hashes of the recordings' bytes.

    Returns:
        How many recordings were in it.

    Raises:
        UserError: The cache is locked or damaged, and can be deleted.
    """
    path.with_name(f"{path.name}.damaged").unlink(missing_ok=True)
    if not path.is_file():
        return 0
    try:
        with open_database(path) as database:
            database.execute("PRAGMA secure_delete=ON")
            wanted, names = set(hashes), set(recordings)
            rows = database.execute("SELECT audio, sha256 FROM recordings").fetchall()
            forgotten = [(audio, sha256) for audio, sha256 in rows if audio in names or sha256 in wanted]
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "DELETE FROM recordings WHERE audio = ?", [(audio,) for audio, _ in forgotten]
            )
            heard = {sha256 for _, sha256 in forgotten} | wanted
            database.executemany("DELETE FROM clips WHERE sha256 = ?", [(sha256,) for sha256 in heard])
            database.execute("COMMIT")
            database.execute("VACUUM")
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"{path}: recordings cannot be removed from this cache ({error}); delete it"
        ) from error
    return len(forgotten)


def _known(
    database: sqlite3.Connection,
    versions: Mapping[str, FileVersion | None],
    clips: Mapping[str, Iterable[Clip]],
) -> Iterator[tuple[str, Probed]]:
    for name, version in versions.items():
        if version is None:
            continue
        row = database.execute(
            "SELECT sha256, rate_hz, channels, corrected, digest FROM recordings "
            "WHERE audio = ? AND size = ? AND changed_ns = ?",
            (_key(name), *version),
        ).fetchone()
        if not row or row[-1] != _digest(_key(name), *version, *row[:-1]):
            continue
        recording = Recording(*row[:-1])
        listened = {clip: _listened(database, recording.sha256, clip) for clip in clips[name]}
        known = {clip: each for clip, each in listened.items() if each is not None}
        if len(known) == len(listened):
            yield name, Probed(recording, known)


def _listened(database: sqlite3.Connection, sha256: str, clip: Clip) -> Listened | None:
    place = (sha256, *_part(clip))
    row = database.execute(
        "SELECT frames, heard, digest FROM clips WHERE sha256 = ? AND start = ? AND end = ? AND channel = ?",
        place,
    ).fetchone()
    return Listened(*row[:-1]) if row and row[-1] == _digest(*place, *row[:-1]) else None


def _digest(*values: object) -> str:
    """What a row holds beside its values, so that one that was damaged is noticed."""
    return hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _key(audio: str) -> str:
    """The absolute path, so that relative paths are found from any working directory; URLs stay."""
    return audio if "://" in audio else f"{Path.cwd()}/{audio}" if not audio.startswith("/") else audio


def _part(clip: Clip) -> tuple[float, float, int]:
    """The clip's place in its recording, without nulls, which no two keys share."""
    return (
        -1.0 if clip.start_seconds is None else clip.start_seconds,
        -1.0 if clip.end_seconds is None else clip.end_seconds,
        clip.channel or 0,
    )
