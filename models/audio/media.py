"""Recordings of phones, browsers and cameras, by FFmpeg's libraries (PyAV, the extra ``media``).

The demuxer is chosen by the file's first bytes, so that a playlist cannot name other files or addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from ambivox.models.audio.audio_error import AudioError, check_rate
from ambivox.models.audio.file_formats import FileFormat, conversion_command


class MediaSound:
    """The first audio track of a file that FFmpeg's libraries read. Its length is known once all of it was read."""

    def __init__(self, source: BinaryIO, audio: str, file_format: FileFormat) -> None:
        """Open it; AudioError where there is no audio track or it cannot be decoded."""
        assert file_format.demuxer is not None
        self._source, self._audio, self._format = source, audio, file_format
        self.corrected: str | None = None
        self.is_float = False
        self.frames: int | None = None
        try:
            source.seek(0)
            with av.open(source, "r", format=file_format.demuxer, metadata_errors="replace") as container:
                if not container.streams.audio:
                    raise AudioError(audio, "empty", f"{file_format.name} without an audio track")
                context = container.streams.audio[0].codec_context
                if context is None:  # the codec is unknown
                    raise ValueError("no decoder for its codec")
                self.rate_hz, self.channels = int(context.sample_rate), int(context.channels)
        except AudioError:
            raise
        except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
            raise self._corrupt(error) from error
        if not self.channels or not self.rate_hz:
            raise self._corrupt(ValueError("the audio track has no channels or no sample rate"))
        check_rate(audio, self.rate_hz)

    def blocks(self, start: int, end: int | None) -> Iterator[NDArray[np.float32]]:
        """Decode samples ``start`` to ``end``; what lies before is decoded, too."""
        position = 0
        try:
            self._source.seek(0)
            with av.open(
                self._source, "r", format=self._format.demuxer, metadata_errors="replace"
            ) as container:
                for block in self._decode(container):
                    first = max(0, start - position)
                    last = len(block) if end is None else min(len(block), end - position)
                    position += len(block)
                    if first < last:
                        yield block[first:last]
                    if end is not None and position >= end:
                        return
        except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
            raise self._corrupt(error) from error

    def close(self) -> None:
        """Nothing is kept open."""

    def _decode(self, container: av.container.InputContainer) -> Iterator[NDArray[np.float32]]:
        stream = container.streams.audio[0]
        # Some codecs change their rate or layout on the way; the resampler keeps those of the header.
        resampler = av.AudioResampler("fltp", layout=stream.codec_context.layout, rate=self.rate_hz)
        for frame in container.decode(stream):
            for converted in resampler.resample(frame):
                yield np.ascontiguousarray(converted.to_ndarray().T)
        for converted in resampler.resample(None):
            yield np.ascontiguousarray(converted.to_ndarray().T)

    def _corrupt(self, error: Exception) -> AudioError:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        return AudioError(
            self._audio,
            "corrupt",
            f"{self._format.name}: {reason}; if other programs play it: {conversion_command(self._audio)}",
        )
