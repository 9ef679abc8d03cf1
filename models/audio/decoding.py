"""Audio in the form that every model receives: mono, float32, one sample rate; from a file or from S3.

Recordings are decoded, averaged and resampled block by block, so that memory holds the result and one block. Audio that
cannot be used raises an ``AudioError`` that names the file and the reason; it is never replaced by silence.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ambivox.models.audio.audio_error import LONGEST_SECONDS, AudioError, check_duration, truncated
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.opening import hash_of, open_audio
from ambivox.models.audio.sounds import Sound, open_sound

RATE_HZ = 16_000
# Channels cancel where their average has less than this share of their mean power (-20 dB).
CANCELLED_POWER = 0.01
# A compressed file may hold this much less than its header says: encoders count their padding differently.
PADDING_SECONDS = 0.25


def decode(clip: Clip | str, rate_hz: int = RATE_HZ, sha256: str | None = None) -> NDArray[np.float32]:
    """Decode a recording or a part of it, average its channels, and resample it.

    Where the channels cancel each other (one is the other's negative), the first one is taken and not the average.

    Args:
        clip: What to decode; text is the path or ``s3://`` URL of a whole recording.
        rate_hz: The sample rate of the result, in Hz.
        sha256: The hash of what should be heard (``Clip.sha256``); None to decode whatever is there.

    Returns:
        Mono float32 samples, approximately in [-1, 1], shape (samples,).

    Raises:
        AudioError: The file is missing, no regular file, in a format that is not read, corrupt (truncated, too), empty,
            shorter than SHORTEST_SECONDS, longer than LONGEST_SECONDS, or has samples that are not finite; the
            segment or channel is not in it; or it is not what ``sha256`` says.
    """
    clip = Clip(clip) if isinstance(clip, str) else clip
    with open_audio(clip.audio) as source:
        if sha256 is not None and clip.sha256(hash_of(source, clip.audio)) != sha256:
            raise AudioError(str(clip), "changed", "since it was ingested; ingest the corpus again")
        source.seek(0)
        sound = open_sound(source, clip.audio)
        try:
            mono = _decode_channel(sound, clip, rate_hz)
            if mono.is_cancelled:
                mono = _decode_channel(sound, replace(clip, channel=1), rate_hz)
            return mono.samples
        finally:
            sound.close()


def decode_many(
    audio: Sequence[Clip | str],
    rate_hz: int = RATE_HZ,
    workers: int | None = None,
    ahead: int = 16,
    sha256: Sequence[str] | None = None,
) -> Iterator[tuple[int, NDArray[np.float32] | AudioError]]:
    """Decode many recordings in parallel, in bounded memory.

    Args:
        audio: Clips, paths or ``s3://`` URLs.
        rate_hz: The sample rate of the results, in Hz.
        workers: The number of threads; by default one per core, at most 8.
        ahead: How many decoded recordings may wait in memory for the consumer, 1 or more.
        sha256: The hash of what should be heard in each; None to decode whatever is there.

    Yields:
        The index of each recording and its samples, as in ``decode``, or the error; in the order of ``audio``.

    Raises:
        ValueError: ``ahead`` is less than 1.
    """
    if ahead < 1:
        raise ValueError(f"ahead must be at least 1, found {ahead}")
    with ThreadPoolExecutor(max_workers=workers or min(8, os.cpu_count() or 1)) as pool:
        waiting: deque[tuple[int, Future[NDArray[np.float32] | AudioError]]] = deque()
        try:
            for index, name in enumerate(audio):
                expected = None if sha256 is None else sha256[index]
                waiting.append((index, pool.submit(decode_or_error, name, rate_hz, expected)))
                if len(waiting) >= ahead:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def decode_or_error(
    clip: Clip | str, rate_hz: int = RATE_HZ, sha256: str | None = None
) -> NDArray[np.float32] | AudioError:
    """Decode as ``decode``, but return the error.

    Args:
        clip: What to decode.
        rate_hz: The sample rate of the result, in Hz.
        sha256: The hash of what should be heard, or None.

    Returns:
        The samples, or why there are none.
    """
    try:
        return decode(clip, rate_hz, sha256)
    except AudioError as error:
        return error


def windows(samples: NDArray[np.float32], rate_hz: int, max_seconds: float) -> list[NDArray[np.float32]]:
    """Split audio into the fewest windows of equal length (within one sample) that a model accepts.

    For utterances longer than a model's limit; its answers per window are averaged, weighted by the window's length.

    Args:
        samples: Mono audio.
        rate_hz: Its sample rate, in Hz.
        max_seconds: The longest window, in seconds.

    Returns:
        The windows in order; joined, they are ``samples``. Short audio gives one window.

    Raises:
        ValueError: ``max_seconds`` is shorter than one sample.

    Example:
        >>> [len(window) for window in windows(np.zeros(25, np.float32), rate_hz=10, max_seconds=1)]
        [9, 8, 8]
    """
    max_samples = int(max_seconds * rate_hz)
    if max_samples < 1:
        raise ValueError(f"max_seconds must cover at least one sample, found {max_seconds} at {rate_hz} Hz")
    count = max(1, -(-len(samples) // max_samples))
    return [np.ascontiguousarray(part) for part in np.array_split(samples, count)]


@dataclass(frozen=True)
class _Mono:
    """One channel, or the average of all.

    Attributes:
        samples: Mono samples at the requested rate.
        is_cancelled: Whether averaging made nearly nothing of channels that hold sound.
    """

    samples: NDArray[np.float32]
    is_cancelled: bool


def _decode_channel(sound: Sound, clip: Clip, rate_hz: int) -> _Mono:
    """Decode an opened sound, as in ``decode``."""
    start, end = clip_range(sound, clip)
    if end is not None:
        check_duration(str(clip), end - start, sound.rate_hz)
    resampled = _Resampled(sound.rate_hz, rate_hz, None if end is None else end - start)
    frames = not_finite = 0
    mixed_power = channel_power = 0.0
    for block in sound.blocks(start, end):
        frames += len(block)
        if frames > LONGEST_SECONDS * sound.rate_hz:
            check_duration(str(clip), frames, sound.rate_hz)
        mono = mix(block, clip.channel)
        is_finite = np.isfinite(mono)
        if not_finite or not is_finite.all():
            not_finite += int((~is_finite).sum())
            continue
        if sound.channels > 1 and clip.channel is None:
            mixed_power += float(np.square(mono, dtype=np.float64).sum())
            channel_power += float(np.square(block, dtype=np.float64).sum()) / sound.channels
        resampled.add(mono)
    if not_finite:
        raise AudioError(str(clip), "not finite", f"{not_finite} of {frames} samples")
    if end is not None and end - start - frames > PADDING_SECONDS * sound.rate_hz:
        raise truncated(str(clip), f"{(end - start - frames) / sound.rate_hz:.2f} s")
    check_duration(str(clip), frames, sound.rate_hz)
    return _Mono(resampled.samples(), mixed_power < CANCELLED_POWER * channel_power)


def clip_range(sound: Sound, clip: Clip) -> tuple[int, int | None]:
    """Find a clip in an opened sound.

    Args:
        sound: The sound.
        clip: What to find.

    Returns:
        The first sample per channel, and the one after the last (None: the end of the file, where its length is
        unknown).

    Raises:
        AudioError: The segment or channel is not in it.
    """
    if clip.channel is not None and sound.channels > 1 and not 1 <= clip.channel <= sound.channels:
        raise AudioError(clip.audio, "without that channel", f"{clip.channel} of {sound.channels}")
    if sound.frames is not None:
        return clip.frames(sound.frames, sound.rate_hz)
    if clip.end_seconds is None:
        return round((clip.start_seconds or 0) * sound.rate_hz), None
    return clip.frames(round(clip.end_seconds * sound.rate_hz), sound.rate_hz)


def mix(block: NDArray[np.float32], channel: int | None) -> NDArray[np.float32]:
    """Take one channel, or average all.

    Args:
        block: Samples, shape (samples, channels).
        channel: The channel, from 1; None for the average.

    Returns:
        Mono samples, shape (samples,).
    """
    if block.shape[1] == 1:
        return block[:, 0]
    if channel is not None:
        return np.ascontiguousarray(block[:, channel - 1])
    with np.errstate(invalid="ignore", over="ignore"):  # samples that are not finite are rejected later
        average: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    return average


class _Resampled:
    """Collects blocks at one sample rate into one array at another; the result does not depend on the blocks."""

    def __init__(self, file_rate_hz: int, rate_hz: int, frames: int | None) -> None:
        import soxr

        self._stream = (
            soxr.ResampleStream(file_rate_hz, rate_hz, 1, dtype="float32")
            if file_rate_hz != rate_hz
            else None
        )
        expected = math.ceil((frames or 60 * file_rate_hz) * rate_hz / file_rate_hz)
        self._buffer = np.empty(expected + 1, np.float32)
        self._length = 0

    def add(self, samples: NDArray[np.float32]) -> None:
        self._append(samples if self._stream is None else self._stream.resample_chunk(samples))

    def samples(self) -> NDArray[np.float32]:
        if self._stream is not None:
            self._append(self._stream.resample_chunk(np.empty(0, np.float32), last=True))
        return self._buffer[: self._length]

    def _append(self, samples: NDArray[np.float32]) -> None:
        end = self._length + len(samples)
        if end > len(self._buffer):
            larger = np.empty(max(end, 2 * len(self._buffer)), np.float32)
            larger[: self._length] = self._buffer[: self._length]
            self._buffer = larger
        self._buffer[self._length : end] = samples
        self._length = end
