"""Decoding block by block: libsndfile for what it reads, FFmpeg for what it alone reads.

Memory holds one block, whatever a header declares. Codecs that cannot seek (GSM 6.10, G.721, G.723, NMS ADPCM) are
read from their beginning.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from ambivox.models.audio.audio_error import SHORTEST_SECONDS, AudioError, check_rate, truncated
from ambivox.models.audio.declared_length import missing_bytes, ogg_fault
from ambivox.models.audio.ffmpeg import convert, find_ffmpeg
from ambivox.models.audio.file_formats import HEAD_BYTES, FileFormat, conversion_command, unread_format
from ambivox.models.audio.joined_files import joined_fault, tag_bytes, unheard
from ambivox.models.audio.patched_file import PatchedFile, behind_tag, renamed
from ambivox.models.audio.wav_header import WavHeader, wav_header
from ambivox.models.regular_files import is_lfs_pointer

if TYPE_CHECKING:
    import soundfile

_BLOCK_VALUES = 1 << 18
# Mostly enough to hear that a recording is not silent.
_FIRST_BLOCK_VALUES = 1 << 12
# More than any file holds: libsndfile's number for a length that it does not know.
_UNKNOWN_FRAMES = 1 << 48
# A compressed file may hold this much less than its header says: encoders count their padding differently.
_PADDING_SECONDS = 0.1

Block = NDArray[np.float32]


class Sound(Protocol):
    """An opened recording.

    Attributes:
        rate_hz: The sample rate, in Hz.
        channels: The number of channels.
        frames: Samples per channel; None where only reading all of it tells.
        corrected: How the header's length was corrected; None where it was right.
        is_float: Whether samples are floats, which may be beyond full scale, or no numbers.
    """

    rate_hz: int
    channels: int
    frames: int | None
    corrected: str | None
    is_float: bool

    def blocks(self, start: int, end: int | None) -> Iterator[Block]:
        """Decode samples ``start`` to ``end`` (None: the end of the file), float32 of shape (samples, channels)."""

    def close(self) -> None:
        """Close the sound, but not its file."""


def open_sound(source: BinaryIO, audio: str) -> Sound:
    """Read the header of an open file; nothing is decoded yet.

    Args:
        source: The open file.
        audio: Its name, for error messages.

    Returns:
        The opened sound.

    Raises:
        AudioError: The file is empty, a pointer, truncated, in an unknown format, or cannot be read to its end.
    """
    try:
        return _open_sound(source, audio)
    except OSError as error:
        raise AudioError(audio, "unreadable", error.strerror or type(error).__name__) from error


def _open_sound(source: BinaryIO, audio: str) -> Sound:
    import soundfile

    size = source.seek(0, io.SEEK_END)
    if not size:
        raise AudioError(audio, "empty", "0 bytes")
    if 0 < (tag := tag_bytes(source)) < size:
        # libsndfile reads some formats behind an ID3 tag, but not FLAC, and checks no length there.
        source, size = behind_tag(source, tag), size - tag
    header = wav_header(source, size)
    if header is not None and header.missing_bytes:
        raise truncated(audio, f"{header.missing_bytes} bytes")
    try:
        return SndfileSound(source, audio, header)
    except soundfile.SoundFileError as error:
        source.seek(0)
        head = source.read(HEAD_BYTES)
        if is_lfs_pointer(head):
            raise AudioError(
                audio, "a git-lfs pointer", f"{size} bytes; run git lfs pull where it was cloned"
            ) from error
        file_format = unread_format(head)
        if file_format is None:
            raise AudioError(audio, "corrupt", _one_line(error)) from error
        return _open_media(source, audio, file_format)


class SndfileSound:
    """A sound that libsndfile reads."""

    def __init__(
        self, source: BinaryIO, audio: str, header: WavHeader | None = None, *, closes_source: bool = False
    ) -> None:
        """Open it; SoundFileError where libsndfile cannot."""
        self._audio, self._source, self._closes_source = audio, source, closes_source
        self._patches = header.patches() if header is not None else renamed(source)
        # libsndfile and this object share one place in the file, so this comes before it opens it.
        size = source.seek(0, io.SEEK_END)
        missing, fault = 0, None
        if header is None:
            missing, fault = (
                missing_bytes(source, size),
                ogg_fault(source, size) or joined_fault(source, size),
            )
        self._is_streamed = False
        self._sound, self._is_used = self._open(), False
        if self._sound.frames >= _UNKNOWN_FRAMES:
            self._sound.close()
            self._is_streamed = True
            self._sound = self._open()
        elif self._sound.format == "MP3":
            fault = unheard(source, self._sound.frames / max(1, self._sound.samplerate))
            self._sound.close()  # they share one place in the file
            self._sound = self._open()
        self.rate_hz, self.channels = int(self._sound.samplerate), int(self._sound.channels)
        self.frames = int(self._sound.frames) if self._sound.frames < _UNKNOWN_FRAMES else None
        self.is_float = self._sound.subtype in ("FLOAT", "DOUBLE")
        self.corrected = _correction(header) if self._patches and header is not None else None
        try:
            check_rate(audio, self.rate_hz)
            if header is None:
                self._check_end()
                self._check_length(missing, fault)
        except AudioError:
            self.close()
            raise

    def blocks(self, start: int, end: int | None) -> Iterator[Block]:
        """Decode samples ``start`` to ``end``."""
        import soundfile

        size, most = (max(1, values // self.channels) for values in (_FIRST_BLOCK_VALUES, _BLOCK_VALUES))
        try:
            if self._sound.seekable():
                self._sound.seek(start)
            else:
                if self._is_used:
                    self._sound.close()
                    self._sound = self._open()
                self._is_used = True
                self._skip(start)
            position = start
            while end is None or position < end:
                wanted = size if end is None else min(size, end - position)
                block = self._sound.read(wanted, dtype="float32", always_2d=True)
                if not len(block):
                    break
                position += len(block)
                size = most
                yield block
        except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
            raise AudioError(self._audio, "corrupt", _one_line(error)) from error

    def close(self) -> None:
        """Close the sound, and its file where this is its only user."""
        self._sound.close()
        if self._closes_source:
            self._source.close()

    def _open(self) -> soundfile.SoundFile:
        import soundfile

        kind: type[soundfile.SoundFile] = soundfile.SoundFile
        if self._is_streamed:
            from ambivox.models.audio.streamed_file import StreamedFile

            kind = StreamedFile
        self._source.seek(0)
        if self._patches or isinstance(self._source, io.BytesIO | io.BufferedReader):
            return kind(PatchedFile(self._source, self._patches))
        return kind(self._source.fileno(), closefd=False)

    def _skip(self, frames: int) -> None:
        """Read up to a sample of a codec that cannot seek, from its beginning."""
        size = max(1, _BLOCK_VALUES // self.channels)
        while frames > 0 and (read := len(self._sound.read(min(size, frames), dtype="float32"))):
            frames -= read

    def _check_end(self) -> None:
        """Check that a file whose header says how long it is reaches to its end."""
        import soundfile

        if self.frames is None or not self.frames or not self._sound.seekable():
            return
        try:
            self._sound.seek(max(0, self.frames - 1 - int(_PADDING_SECONDS * self.rate_hz)))
            is_complete = len(self._sound.read(1)) > 0
        except (soundfile.SoundFileError, RuntimeError, ValueError):
            is_complete = False
        if not is_complete:
            raise truncated(self._audio, f"some of {self.frames / self.rate_hz:.2f} s")

    def _check_length(self, missing: int, fault: str | None) -> None:
        """Refuse a file that lacks bytes which its header declares, or whose pages are not one whole stream."""
        frame_bytes = 2 * self.channels  # about; the limit is one of time
        if missing > SHORTEST_SECONDS * self.rate_hz * frame_bytes:
            raise truncated(self._audio, f"{missing} bytes")
        if fault is not None:
            command = conversion_command(self._audio)
            raise AudioError(self._audio, "corrupt", f"{fault}; if other programs play it: {command}")


def _correction(header: WavHeader) -> str:
    """Say how a header's length was corrected."""
    if header.is_open:
        return "declares no length"
    difference = header.data_bytes - header.declared_bytes
    if difference > 0:
        return f"declares {difference} bytes too few"
    return f"declares {-difference} bytes that are not there"


def _open_media(source: BinaryIO, audio: str, file_format: FileFormat) -> Sound:
    """Open a format that libsndfile does not read, if FFmpeg's libraries or its program are there."""
    if file_format.demuxer is None:
        raise AudioError(audio, "in a format that is not read", f"the file is {file_format.name}")
    try:
        from ambivox.models.audio.media import MediaSound
    except ImportError as error:
        if (program := find_ffmpeg()) is not None:
            return SndfileSound(convert(program, source, audio, file_format), audio, closes_source=True)
        raise AudioError(
            audio,
            "in a format that is not read",
            f"{file_format.name}; pip install 'ambivox[media]' reads it, or convert it: {conversion_command(audio)}",
        ) from error
    return MediaSound(source, audio, file_format)


def _one_line(error: Exception) -> str:
    text: Any = getattr(error, "error_string", None) or error
    return " ".join(str(text).split())
