"""Short excerpts of recordings as Ogg Opus, which browsers play; equal audio gives equal bytes.

libsndfile gives every stream a random serial number. It is set to 0 here, and the checksums of the pages are made anew.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import soundfile
from numpy.typing import NDArray

from ambivox.models.audio.clips import Clip
from ambivox.models.audio.decoding import RATE_HZ, decode

#: The media type of an excerpt.
MEDIA_TYPE = "audio/ogg; codecs=opus"
# Of libsndfile: about 31 kbit/s for one channel, at which speech of this bandwidth has no audible loss.
_COMPRESSION = 0.9
_FADE_SECONDS = 0.05
# A page of Ogg: "OggS", version, flags, position; serial number, sequence number, checksum, number of segments.
_SERIAL, _CHECKSUM, _SEGMENTS, _HEADER = 14, 22, 26, 27
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ALL_BITS = 0xFFFFFFFF


def excerpt(clip: Clip, seconds: float, sha256: str | None = None) -> bytes:
    """Encode the beginning of a clip as Ogg Opus, mono, 16 kHz.

    Args:
        clip: What to encode.
        seconds: The most that is encoded, above 0; where the clip is cut, its end fades out.
        sha256: The hash of what should be heard (``Clip.sha256``); None to encode whatever is there.

    Returns:
        The bytes of an Ogg file.

    Raises:
        AudioError: See ``decode``.
    """
    samples = decode(clip, RATE_HZ, sha256)
    most = round(seconds * RATE_HZ)
    if len(samples) > most:
        samples = samples[:most].copy()
        fade = min(most, round(_FADE_SECONDS * RATE_HZ))
        samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return _with_serial_zero(_encode(samples))


def _encode(samples: NDArray[np.float32]) -> bytes:
    target = io.BytesIO()
    with soundfile.SoundFile(
        target, "w", RATE_HZ, 1, format="OGG", subtype="OPUS", compression_level=_COMPRESSION
    ) as file:
        file.write(np.clip(samples, -1, 1))
    return target.getvalue()


def _with_serial_zero(stream: bytes) -> bytes:
    pages = []
    start = 0
    while start < len(stream):
        segments = stream[start + _SEGMENTS]
        sizes = stream[start + _HEADER : start + _HEADER + segments]
        end = start + _HEADER + segments + sum(sizes)
        page = bytearray(stream[start:end])
        page[_SERIAL : _SERIAL + 4] = bytes(4)
        page[_CHECKSUM : _CHECKSUM + 4] = bytes(4)
        page[_CHECKSUM : _CHECKSUM + 4] = struct.pack("<I", _checksum(bytes(page)))
        pages.append(bytes(page))
        start = end
    return b"".join(pages)


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32, which is that of zlib with the bits of all bytes and of the result reversed, and without inversions."""
    reversed_sum = zlib.crc32(page.translate(_REVERSED_BITS), _ALL_BITS) ^ _ALL_BITS
    return int(f"{reversed_sum:032b}"[::-1], 2)
