"""The header of a WAV file, from its first bytes: cheap enough to ask of a hundred thousand files.

RIFF WAVE, Microsoft and IBM 1991: chunks of a four-letter name, a length, and contents padded to an even
length. Only what says how long the audio is gets read; compressed formats are left to libsndfile.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEAD_BYTES = 1 << 16
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# Writers to a pipe do not know the length and leave it at the largest number there is, or near it.
_OPEN_LENGTH = 0xFFFFFF00


@dataclass(frozen=True, slots=True)
class WavHeader:
    """Rate and channels, the frames that are there, and how many promised bytes of audio are not."""

    rate_hz: int
    channels: int
    frames: int
    missing_bytes: int


def wav_header(head: bytes, file_bytes: int) -> WavHeader | None:
    """Read the header from the first bytes of a file that is ``file_bytes`` long.

    Returns:
        None where this is no uncompressed WAV file or its audio begins later than ``head`` ends.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    at, rate_hz, channels, frame_bytes = 12, 0, 0, 0
    while at + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"fmt " and at + 16 <= len(head):
            kind, channels, rate_hz, _, frame_bytes = struct.unpack_from("<HHIIH", head, at)
            if kind not in (_PCM, _FLOAT, _EXTENSIBLE) or not (channels and rate_hz and frame_bytes):
                return None
        elif name == b"data":
            if not frame_bytes:
                return None
            held = file_bytes - at
            promised = held if length >= _OPEN_LENGTH else length
            return WavHeader(rate_hz, channels, min(held, promised) // frame_bytes, max(0, promised - held))
        at += length + length % 2
    return None
