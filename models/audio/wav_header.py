"""Reading the header of a WAV file from its first bytes, fast enough for hundreds of thousands of files.

RIFF WAVE (Microsoft and IBM, 1991) is a sequence of chunks: a four-letter name, a length, and contents padded to an
even length. Only the chunks that determine the duration are read; libsndfile reads compressed formats.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEAD_BYTES = 1 << 16
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# Programs that write to a pipe do not know the length and declare the largest number, or nearly so.
_OPEN_LENGTH = 0xFFFFFF00


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a header says about the audio.

    Attributes:
        rate_hz: The sample rate, in Hz.
        channels: The number of channels.
        frames: Samples per channel that are in the file.
        missing_bytes: Bytes of audio that the header declares and the file lacks.
    """

    rate_hz: int
    channels: int
    frames: int
    missing_bytes: int


def wav_header(head: bytes, file_bytes: int) -> WavHeader | None:
    """Read the header of a WAV file.

    Args:
        head: The first bytes of the file; HEAD_BYTES are enough for all but exotic files.
        file_bytes: The size of the file, in bytes.

    Returns:
        The header; None for another format, compressed WAV, or audio that begins after the end of ``head``.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    position, rate_hz, channels, frame_bytes = 12, 0, 0, 0
    while position + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, position)
        position += 8
        if name == b"fmt " and position + 16 <= len(head):
            encoding, channels, rate_hz, _, frame_bytes = struct.unpack_from("<HHIIH", head, position)
            if encoding not in (_PCM, _FLOAT, _EXTENSIBLE) or not (channels and rate_hz and frame_bytes):
                return None
        elif name == b"data":
            if not frame_bytes:
                return None
            present = file_bytes - position
            declared = present if length >= _OPEN_LENGTH else length
            frames = min(present, declared) // frame_bytes
            return WavHeader(rate_hz, channels, frames, missing_bytes=max(0, declared - present))
        position += length + length % 2
    return None
