"""Audio as every model hears it: one channel, float32, one rate; from a file or from S3, in bounded memory.

WAV, FLAC, MP3 and Ogg (Vorbis, Opus) are read by libsndfile and resampled by soxr at high quality.
Whatever cannot be heard is an ``AudioError`` that names the file and the reason; nothing becomes silence.
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
from ambivox.models.object_store import read_object

if TYPE_CHECKING:
    import soundfile

Reason = Literal["missing", "corrupt", "empty", "too short", "too long", "not finite"]

RATE_HZ = 16_000
# One 25 ms analysis window: the front ends of ALMs pad by reflection and fail below it.
SHORTEST_SECONDS = 0.025
# A guard against a damaged or hostile header, not a limit on speech: an hour is 230 MB once decoded.
LONGEST_SECONDS = 3600.0


class AudioError(UserError):
    """An audio file that cannot be used: the ``audio`` it is about, and the ``reason`` in a word or two."""

    def __init__(self, audio: str, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{audio}: audio is {reason}{f' ({detail})' if detail else ''}")
        self.audio = audio
        self.reason: Reason = reason


def decode(audio: str, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """The samples of an audio file or ``s3://`` URL: mono float32 in about [-1, 1], shape (samples,).

    They are resampled to ``rate_hz``; channels are averaged.

    Raises:
        AudioError: the file is missing, corrupt (a WAV file cut short too), empty, shorter than
            SHORTEST_SECONDS, longer than LONGEST_SECONDS, or holds numbers that are not finite.
    """
    with open_audio(audio) as source:
        return samples_of(source, audio, rate_hz)


def decode_many(
    audio: Sequence[str], rate_hz: int = RATE_HZ, workers: int | None = None, ahead: int = 16
) -> Iterator[tuple[int, NDArray[np.float32] | AudioError]]:
    """Decode in parallel and yield ``(index, samples or error)`` in the order given.

    At most ``ahead`` decoded clips wait in memory, however long the list is and however slowly it is read.
    """
    if ahead < 1:
        raise ValueError(f"ahead must be at least 1, found {ahead}")
    with ThreadPoolExecutor(max_workers=workers or min(8, os.cpu_count() or 1)) as pool:
        waiting: deque[tuple[int, Future[NDArray[np.float32] | AudioError]]] = deque()
        try:
            for index, name in enumerate(audio):
                waiting.append((index, pool.submit(_decode_or_error, name, rate_hz)))
                if len(waiting) >= ahead:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def windows(samples: NDArray[np.float32], rate_hz: int, max_seconds: float) -> list[NDArray[np.float32]]:
    """Cut into the fewest windows of equal length (to one sample) that are no longer than ``max_seconds``.

    For clips longer than a model hears: what it says of each window is averaged, weighted by the
    window's length. A short clip comes back whole. The windows joined are the clip.
    """
    most = int(max_seconds * rate_hz)
    if most < 1:
        raise ValueError(f"max_seconds must cover at least one sample, found {max_seconds} at {rate_hz} Hz")
    return [np.ascontiguousarray(part) for part in np.array_split(samples, max(1, -(-len(samples) // most)))]


def open_audio(audio: str) -> BinaryIO:
    """Open a local path, or fetch an ``s3://`` URL into memory (endpoint from AWS_ENDPOINT_URL where set).

    Raises:
        AudioError: there is no such file or object.
    """
    try:
        if audio.startswith("s3://"):
            return io.BytesIO(read_object(audio))
        if "\0" in audio:
            raise FileNotFoundError
        return open(audio, "rb")  # noqa: PTH123 - half the time of Path, over a hundred thousand files
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise AudioError(audio, "missing", type(error).__name__) from error


def samples_of(source: BinaryIO, audio: str, rate_hz: int) -> NDArray[np.float32]:
    """As ``decode``, from an open file; ``audio`` is its name in errors."""
    import soundfile
    import soxr

    try:
        with open_sound(source, audio) as sound:
            found_hz = int(sound.samplerate)
            samples: NDArray[np.float32] = sound.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(audio, "corrupt", str(error.error_string)) from error
    mono: NDArray[np.float32] = (
        samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    )
    if not np.isfinite(mono).all():
        raise AudioError(audio, "not finite", f"{int((~np.isfinite(mono)).sum())} of {len(mono)} samples")
    check_duration(audio, len(mono), found_hz)
    if found_hz != rate_hz:
        mono = soxr.resample(mono, found_hz, rate_hz)
    return np.ascontiguousarray(mono, dtype=np.float32)


def open_sound(source: BinaryIO, audio: str) -> soundfile.SoundFile:
    """Open the header and check it: nothing is decoded yet.

    Raises:
        AudioError: not a format that is known, cut short, or of a length that cannot be used.
    """
    import soundfile

    # libsndfile reads a WAV file that was cut short as a shorter one, without a word.
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    header = wav_header(source.read(HEAD_BYTES), size)
    source.seek(0)
    if header is not None and header.missing_bytes:
        raise cut_short(audio, header.missing_bytes)
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


def cut_short(audio: str, missing_bytes: int) -> AudioError:
    """The error for a file that ends before its header says so."""
    return AudioError(
        audio, "corrupt", f"cut short: {missing_bytes} bytes of audio that its header promises are not there"
    )


def check_duration(audio: str, frames: int, rate_hz: int) -> None:
    """Refuse lengths that no model can use.

    Raises:
        AudioError: empty, too short or too long.
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
