"""Duration, sample rate, SHA-256 and peculiarities of recordings, in parallel, with a cache between runs.

A second ingest of a corpus reads no audio. The cache holds properties only; whether a duration can be used is checked
every time. Files that cannot be read are not cached.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from types import MappingProxyType

import polars as pl

from ambivox.models.audio.audio_error import AudioError, check_duration
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.listening import Listened, listen
from ambivox.models.audio.opening import hash_of, open_audio
from ambivox.models.audio.probe_cache import (
    FileVersion,
    Probed,
    Recording,
    cache_file,
    read_cache,
    write_cache,
)
from ambivox.models.audio.sounds import open_sound
from ambivox.models.cluster import map_batches
from ambivox.models.errors import UserError
from ambivox.models.object_store import is_object_url, object_info
from ambivox.models.parallel import in_batches, map_in_batches
from ambivox.models.progress import track

SCHEMA = {
    "audio": pl.String,
    "audio_sha256": pl.String,
    "duration_seconds": pl.Float64,
    "sample_rate_hz": pl.Int64,
    "channels": pl.Int64,
    "channel": pl.Int64,
    "corrected": pl.String,
    "heard": pl.String,
    "problem": pl.String,
    "detail": pl.String,
}


def probe(audio: Sequence[Clip | str], cache: Path | None = None, workers: int | None = None) -> pl.DataFrame:
    """Probe recordings; memory does not grow with the amount of audio.

    Args:
        audio: Clips, paths or ``s3://`` URLs.
        cache: The SQLite file; by default ``cache_file()``.
        workers: The number of threads, where no cluster is named (models/cluster.py); by default one per core, or 16 where
            some audio is on S3.

    Returns:
        One row per entry of ``audio``, in order, with the columns of SCHEMA. ``channel`` is the one to use: the one
        that was asked for, or the first where the channels cancel. ``corrected`` says how the header's length was
        wrong, ``heard`` what is unusual (models/audio/listening.py). For audio that cannot be used, ``problem`` is
        the reason of the ``AudioError`` and ``detail`` its message; other columns may then be null.

    Raises:
        UserError: The cache is a file of another kind, or S3 cannot be reached.
    """
    clips = [Clip(each) if isinstance(each, str) else each for each in audio]
    clips_of: dict[str, list[Clip]] = {}
    for clip in dict.fromkeys(clips):
        clips_of.setdefault(clip.audio, []).append(clip)
    names = list(clips_of)
    workers = workers or (16 if any(is_object_url(name) for name in names) else os.cpu_count() or 1)
    cache = cache or cache_file()
    with ThreadPoolExecutor(workers) as pool:
        versions = dict(zip(names, map_in_batches(pool, _version, names, "looking for audio"), strict=True))
    known = read_cache(cache, versions, clips_of)
    new = [name for name in names if name not in known]
    batches = in_batches([(name, clips_of[name]) for name in new])
    examined: dict[str, _Examined] = {}
    try:
        finished = track(map_batches(_examine_all, batches, workers), "probing audio", total=len(batches))
        examined.update(zip(new, chain.from_iterable(finished), strict=True))
    finally:  # after an interruption, files that were hashed need not be hashed again
        write_cache(cache, versions, {name: each.probed for name, each in examined.items() if each.probed})
    rows = [
        _row(clip, known[clip.audio])
        if clip.audio in known
        else _row(clip, examined[clip.audio].probed, examined[clip.audio].errors)
        for clip in clips
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@dataclass(frozen=True)
class _Examined:
    """What reading a recording told.

    Attributes:
        probed: The recording and the clips that could be heard; None where the file cannot be used.
        errors: Why the others cannot be used.
    """

    probed: Probed | None
    errors: Mapping[Clip, AudioError]


def _version(audio: str) -> FileVersion | None:
    try:
        if is_object_url(audio):
            info = object_info(audio)
            return FileVersion(info.size, info.modified_ns)
        status = os.stat(audio)  # noqa: PTH116 - several times faster than Path, for every file
        return FileVersion(status.st_size, status.st_mtime_ns)
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        return None


def _examine_all(recordings: Sequence[tuple[str, Sequence[Clip]]]) -> list[_Examined]:
    return [_examine(audio, clips) for audio, clips in recordings]


def _examine(audio: str, clips: Sequence[Clip]) -> _Examined:
    heard: dict[Clip, Listened] = {}
    errors: dict[Clip, AudioError] = {}
    try:
        with open_audio(audio) as source:
            sha256 = hash_of(source, audio)
            sound = open_sound(source, audio)
            try:
                for clip in clips:
                    try:
                        heard[clip] = listen(sound, clip)
                    except AudioError as error:
                        errors[clip] = error
            finally:
                sound.close()
    except AudioError as error:
        return _Examined(None, dict.fromkeys(clips, error))
    recording = Recording(sha256, sound.rate_hz, sound.channels, sound.corrected)
    return _Examined(Probed(recording, heard), errors)


def _row(
    clip: Clip, probed: Probed | None, errors: Mapping[Clip, AudioError] = MappingProxyType({})
) -> tuple[object, ...]:
    if probed is None or clip in errors:
        return (
            clip.audio,
            None,
            None,
            None,
            None,
            clip.channel,
            None,
            None,
            errors[clip].reason,
            str(errors[clip]),
        )
    recording, listened = probed.recording, probed.clips[clip]
    problem: tuple[str | None, str | None] = (None, None)
    try:
        check_duration(str(clip), listened.frames, recording.rate_hz)
    except AudioError as error:
        problem = (error.reason, str(error))
    channel = 1 if listened.heard == "cancelling channels" else clip.channel
    return (
        clip.audio,
        replace(clip, channel=channel).sha256(recording.sha256),
        listened.frames / recording.rate_hz,
        recording.rate_hz,
        recording.channels,
        channel,
        recording.corrected,
        listened.heard,
        *problem,
    )
