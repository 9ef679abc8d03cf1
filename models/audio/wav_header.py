"""Reading the header of a WAV file, and correcting its lengths, fast enough for hundreds of thousands of files.

RIFF WAVE (Microsoft and IBM, 1991) is a sequence of chunks: a four-letter name, a length, and contents padded to an
even length. The lengths are wrong where a program wrote to a pipe or was killed: SoX then declares 0x7FFFF000 bytes,
arecord 0x7FFFFF00, GStreamer 0 or 0x7FFF0000, ffmpeg 0xFFFFFFFF; others write the length of the file or an old one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from ambivox.models.audio.audio_error import SHORTEST_SECONDS

HEAD_BYTES = 1 << 16
_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
#: Encodings in which a frame has a fixed number of bytes.
_PLAIN = frozenset({_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE})
# The smallest length that programs declare where they do not know it.
_OPEN_LENGTH = 0x7FFF0000
# Metadata that editors append behind the last chunk.
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")
# Chunks that are written behind the audio.
_CHUNKS = frozenset(
    {
        b"LIST",
        b"bext",
        b"cue ",
        b"fact",
        b"PEAK",
        b"smpl",
        b"iXML",
        b"id3 ",
        b"ID3 ",
        b"DISP",
        b"JUNK",
        b"PAD ",
        b"_PMX",
    }
)
# Protects against files of nothing but empty chunks.
_MOST_CHUNKS = 1000
_LARGEST_LENGTH = 0xFFFFFFFF - 0x100


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a header says about the audio, corrected by what the file holds.

    Attributes:
        encoding: Microsoft's number of the encoding.
        rate_hz: The sample rate, in Hz.
        channels: The number of channels.
        frames: Samples per channel that are in the file; None for compressed audio.
        data_start: Where the audio begins, in bytes.
        data_bytes: The bytes of audio in the file.
        declared_bytes: The bytes of audio that the header declares.
        missing_bytes: Bytes that the header declares and the file lacks, where they are too many to be a mistake in
            the header; 0 where the audio is complete as far as can be known.
    """

    encoding: int
    rate_hz: int
    channels: int
    frames: int | None
    data_start: int
    data_bytes: int
    declared_bytes: int
    missing_bytes: int

    @property
    def is_open(self) -> bool:
        """Whether the header declares a placeholder and not a length."""
        return self.data_bytes != self.declared_bytes and (
            self.declared_bytes == 0 or self.declared_bytes >= _OPEN_LENGTH
        )

    def patches(self) -> dict[int, bytes]:
        """The lengths that the header should declare.

        Returns:
            Positions in the file and the bytes that belong there; nothing for a correct header.
        """
        if self.data_bytes == self.declared_bytes:
            return {}
        data_bytes = min(self.data_bytes, _LARGEST_LENGTH)
        return {
            4: struct.pack("<I", self.data_start - 8 + data_bytes),
            self.data_start - 4: struct.pack("<I", data_bytes),
        }


def wav_header(source: BinaryIO, file_bytes: int) -> WavHeader | None:
    """Read the header of a WAV file.

    Args:
        source: The file. Its position is not kept.
        file_bytes: Its size.

    Returns:
        The header; None for another format, or a header without audio.
    """
    source.seek(0)
    head = source.read(HEAD_BYTES)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    position, encoding, rate_hz, channels, frame_bytes = 12, 0, 0, 0, 0
    for _ in range(_MOST_CHUNKS):
        if position + 8 > file_bytes:
            return None
        name, length = struct.unpack("<4sI", _read_at(source, head, position, 8))
        position += 8
        if name == b"fmt " and length >= 16 and position + 16 <= file_bytes:
            fields = _read_at(source, head, position, 16)
            encoding, channels, rate_hz, _, frame_bytes, _ = struct.unpack("<HHIIHH", fields)
        elif name == b"data":
            if not (channels and rate_hz and frame_bytes):
                return None
            is_plain = encoding in _PLAIN
            tolerated = max(position, int(SHORTEST_SECONDS * rate_hz) * frame_bytes if is_plain else 0)
            # The byte that pads an odd length; where frames have several bytes, it belongs to a frame.
            padding = length % 2 if length % frame_bytes == 0 else 0
            present = file_bytes - position
            data_bytes, missing = _data_bytes(source, position, length, present, tolerated, padding)
            frames = data_bytes // frame_bytes if is_plain else None
            return WavHeader(encoding, rate_hz, channels, frames, position, data_bytes, length, missing)
        position += length + length % 2
    return None


def _read_at(source: BinaryIO, head: bytes, position: int, length: int) -> bytes:
    if position + length <= len(head):
        return head[position : position + length]
    source.seek(position)
    return source.read(length)


def _data_bytes(
    source: BinaryIO, start: int, declared: int, present: int, tolerated: int, padding: int
) -> tuple[int, int]:
    """How many bytes of audio there are, and how many are missing."""
    if declared > present:
        is_mistake = declared >= _OPEN_LENGTH or declared - present <= tolerated
        return present, 0 if is_mistake else declared - present
    if present - declared > padding and not _is_metadata(source, start, declared, start + present):
        return present, 0
    return declared, 0


def _is_metadata(source: BinaryIO, start: int, declared: int, end: int) -> bool:
    """Whether the bytes behind the audio are chunks, padding or tags, and not more audio."""
    source.seek(start + declared)
    following = source.read(min(end - start - declared, HEAD_BYTES))
    if following.startswith(_TAGS) or (declared and not following.strip(b"\0")):
        return True
    # A chunk begins at an even position, but some programs leave the padding out.
    return any(_are_chunks(source, start + declared + padding, end) for padding in (0, 1))


def _are_chunks(source: BinaryIO, position: int, end: int) -> bool:
    """Whether chunks fill the file up to its end; the last one may be cut off."""
    if end - position < 8:
        return False
    for _ in range(_MOST_CHUNKS):
        if end - position < 8:
            return True
        source.seek(position)
        name, length = struct.unpack("<4sI", source.read(8))
        if name not in _CHUNKS and (
            not all(0x20 <= byte < 0x7F for byte in name) or position + 8 + length > end
        ):
            return name.startswith(b"TAG")
        position += 8 + length + length % 2
    return True
