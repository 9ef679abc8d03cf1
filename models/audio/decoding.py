"""Audio in the form that every model receives: mono, float32, one sample rate; from a file or from S3.

libsndfile reads WAV, FLAC, MP3 and Ogg (Vorbis, Opus); soxr resamples at high quality. Audio that cannot be used
raises an ``AudioError`` that names the file and the reason; it is never replaced by silence.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from ambivox.models.audio.wav_header import HEAD_BYTES, wav_header
from ambivox.models.errors import UserError
from ambivox.models.object_store import is_object_url, read_object

if TYPE_CHECKING:
    import soundfile

Reason = Literal["missing", "corrupt", "empty", "too short", "too long", "not finite"]

RATE_HZ = 16_000
# One analysis window of 25 ms: the front ends of ALMs pad by reflection and fail on shorter audio.
SHORTEST_SECONDS = 0.025
# Protects against damaged or hostile headers; decoded, an hour takes 230 MB.
LONGEST_SECONDS = 3600.0


class AudioError(UserError):
    """An audio file that cannot be used.

    Attributes:
        audio: The path or URL.
        reason: Why, in one or two words.
    """

    def __init__(self, audio: str, reason: Reason, detail: str = "") -> None:
        """Make the message from the file, the reason, and an optional ``detail``."""
        super().__init__(f"{audio}: audio is {reason}{f' ({detail})' if detail else ''}")
        self.audio = audio
        self.reason: Reason = reason


def decode(audio: str, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """Decode an audio file, average its channels, and resample it.

    Args:
        audio: A path or an ``s3://`` URL.
        rate_hz: The sample rate of the result, in Hz.

    Returns:
        Mono float32 samples, approximately in [-1, 1], shape (samples,).

    Raises:
        AudioError: The file is missing, corrupt (a truncated WAV file, too), empty, shorter than
            SHORTEST_SECONDS, longer than LONGEST_SECONDS, or has samples that are not finite.
    """
    with open_audio(audio) as source:
        return _read_samples(source, audio, rate_hz)


def decode_many(
    audio: Sequence[str], rate_hz: int = RATE_HZ, workers: int | None = None, ahead: int = 16
) -> Iterator[tuple[int, NDArray[np.float32] | AudioError]]:
    """Decode many files in parallel, in bounded memory.

    Args:
        audio: Paths or ``s3://`` URLs.
        rate_hz: The sample rate of the results, in Hz.
        workers: The number of threads; by default one per core, at most 8.
        ahead: How many decoded files may wait in memory for the consumer, 1 or more.

    Yields:
        The index of each file and its samples, as in ``decode``, or the error; in the order of ``audio``.

    Raises:
        ValueError: ``ahead`` is less than 1.
    """
    if ahead < 1:
        raise ValueError(f"ahead must be at least 1, found {ahead}")
    with ThreadPoolExecutor(max_workers=workers or min(8, os.cpu_count() or 1)) as pool:
        waiting: deque[tuple[int, Future[NDArray[np.float32] | AudioError]]] = deque()
        try:
            for index, name in enumerate(audio):
                waiting.append((index, pool.submit(_decode_or_error, name, rate_hz)))
                if len(waiting) >= ahead:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


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


def open_audio(audio: str) -> BinaryIO:
    """Open a local file, or read an object on S3 into memory.

    Args:
        audio: A path or an ``s3://`` URL.

    Returns:
        A binary stream that can seek.

    Raises:
        AudioError: There is no such file or object, or it may not be read.
        ObjectStoreError: S3 cannot be reached.
    """
    try:
        if is_object_url(audio):
            return io.BytesIO(read_object(audio))
        if "\0" in audio:
            raise FileNotFoundError
        return open(audio, "rb")  # noqa: PTH123 - twice as fast as Path, which counts over 100,000 files
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise AudioError(audio, "missing", type(error).__name__) from error


def _read_samples(source: BinaryIO, audio: str, rate_hz: int) -> NDArray[np.float32]:
    """Decode an open file, as in ``decode``; ``audio`` is its name in errors."""
    import soundfile
    import soxr

    try:
        with open_sound(source, audio) as sound:
            file_rate_hz = int(sound.samplerate)
            samples: NDArray[np.float32] = sound.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(audio, "corrupt", str(error.error_string)) from error
    mono: NDArray[np.float32] = (
        samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    )
    if not np.isfinite(mono).all():
        raise AudioError(audio, "not finite", f"{int((~np.isfinite(mono)).sum())} of {len(mono)} samples")
    check_duration(audio, len(mono), file_rate_hz)
    if file_rate_hz != rate_hz:
        mono = soxr.resample(mono, file_rate_hz, rate_hz)
    return np.ascontiguousarray(mono, dtype=np.float32)


def open_sound(source: BinaryIO, audio: str) -> soundfile.SoundFile:
    """Read and check the header of an open file; nothing is decoded yet.

    Args:
        source: The open file.
        audio: Its name, for error messages.

    Returns:
        The opened sound, at its beginning.

    Raises:
        AudioError: The format is unknown, the file is truncated, or its duration cannot be used.
    """
    import soundfile

    # libsndfile reads a truncated WAV file as a shorter one, without an error.
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    header = wav_header(source.read(HEAD_BYTES), size)
    source.seek(0)
    if header is not None and header.missing_bytes:
        raise truncated(audio, header.missing_bytes)
    try:
        sound = soundfile.SoundFile(source)
    except soundfile.LibsndfileError as error:
        raise AudioError(audio, "corrupt" if size else "empty", str(error.error_string)) from error
    try:
        check_duration(audio, int(sound.frames), int(sound.samplerate))
    except AudioError:
        sound.close()
        raise
    return sound


def truncated(audio: str, missing_bytes: int) -> AudioError:
    """Make the error for a file that is ``missing_bytes`` shorter than its header says."""
    return AudioError(
        audio, "corrupt", f"truncated: {missing_bytes} bytes of audio that the header declares are missing"
    )


def check_duration(audio: str, frames: int, rate_hz: int) -> None:
    """Check that a duration can be used.

    Args:
        audio: The file, for error messages.
        frames: Samples per channel.
        rate_hz: The sample rate, in Hz.

    Raises:
        AudioError: The audio is empty, too short or too long.
    """
    if frames <= 0:
        raise AudioError(audio, "empty")
    if frames < SHORTEST_SECONDS * rate_hz:
        raise AudioError(
            audio, "too short", f"{frames} samples at {rate_hz} Hz, at least {SHORTEST_SECONDS} s are needed"
        )
    if frames > LONGEST_SECONDS * rate_hz:
        raise AudioError(
            audio, "too long", f"{frames / rate_hz:.0f} s, at most {LONGEST_SECONDS:.0f} s are decoded"
        )


def _decode_or_error(audio: str, rate_hz: int) -> NDArray[np.float32] | AudioError:
    try:
        return decode(audio, rate_hz)
    except AudioError as error:
        return error
