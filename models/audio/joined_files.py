"""What libsndfile would leave out of a file without a word: recordings behind the first one, and MP3 of unknown length.

An MP3's length is in a frame called Xing, Info or VBRI, of the first recording only; without one, libsndfile guesses from
the first frames, and stops there. So the frames are counted by their headers, which is fast.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from ambivox.models.audio.declared_length import declared_end

_BLOCK_BYTES = 1 << 20
_FLAC = b"fLaC\0\0\0\x22"  # with the header of STREAMINFO, which no frame holds by chance
# An MP3 holds this much more than is heard: what the encoder added, and the frame with the length.
_MP3_SECONDS = 0.3
# What a frame or a tag begins with.
_START = re.compile(rb"\xff[\xe0-\xff]|ID3")
_KBITS = {
    (1, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (2, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def tag_bytes(source: BinaryIO) -> int:
    """The bytes of the ID3v2 tags at a file's beginning, by their declared sizes; 0 where there are none.

    Args:
        source: The open file. Its position is not kept.
    """
    position = 0
    while True:
        source.seek(position)
        length = _tag_length(source.read(10))
        if not length:
            return position
        position += length


def joined_fault(source: BinaryIO, file_bytes: int) -> str | None:
    """Whether a second recording of the same format stands behind the first one.

    Args:
        source: The open file, without a tag before it. Its position is not kept.
        file_bytes: Its size.

    Returns:
        The fault in a few words; None for MP3, which ``mp3_seconds`` is for, and where there is none.
    """
    source.seek(0)
    magic = source.read(4)
    found = False
    if magic == b"fLaC":
        source.seek(4)
        tail = b""
        while not found and (block := source.read(_BLOCK_BYTES)):
            found = _FLAC in tail + block
            tail = block[-len(_FLAC) :]
    elif 0 < (end := declared_end(source)) < file_bytes - 4:
        source.seek(end)
        found = magic in source.read(5)  # an odd length may be padded
    return "holds several recordings, one after the other" if found else None


def mp3_seconds(source: BinaryIO) -> float | None:
    """How long an MP3 is by the headers of its frames.

    Args:
        source: The open file. Its position is not kept.

    Returns:
        Seconds; None for frames of a free size, and for other formats.
    """
    source.seek(0)
    content, seconds, position = source.read(_BLOCK_BYTES), 0.0, 0
    while True:
        if position + 10 > len(content):
            place = source.tell() - len(content) + position
            source.seek(place)
            content, position = source.read(_BLOCK_BYTES), 0
            if len(content) < 4:
                return seconds or None
        frame = _frame(content[position : position + 4])
        if frame is not None:
            length, duration = frame
            if not length:
                return None
            seconds += duration
            position += length
        elif length := _tag_length(content[position : position + 10]):
            position += length
        else:
            match = _START.search(content, position + 1)
            position = match.start() if match else max(position + 1, len(content) - 2)


def unheard(source: BinaryIO, seconds: float) -> str | None:
    """What an MP3 holds that libsndfile, which hears ``seconds``, would leave out."""
    held = mp3_seconds(source)
    if held is None or held - seconds <= max(_MP3_SECONDS, 0.002 * held):
        return None
    return (
        f"holds {held:.2f} s, of which {seconds:.2f} s would be heard: several recordings one after the other, or a "
        "variable bit rate without a header that says the length"
    )


def _tag_length(head: bytes) -> int:
    if len(head) < 10 or head[:3] != b"ID3" or 0xFF in head[3:5] or max(head[6:10]) > 0x7F:
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 0x10 else 0)  # with a footer


def _frame(head: bytes) -> tuple[int, float] | None:
    """The bytes and seconds of a frame of layer II or III; 0 bytes where the header does not tell; None for no frame."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    kbits_index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer not in (1, 2) or kbits_index == 15 or rate_index == 3 or head[3] & 3 == 2:
        return None
    rate_hz = _RATES_HZ[version][rate_index]
    samples = 576 if version != 3 and layer == 1 else 1152
    kbits = _KBITS[1 if version == 3 else 2, layer][kbits_index]
    length = samples // 8 * kbits * 1000 // rate_hz + (head[2] >> 1 & 1) if kbits else 0
    return length, samples / rate_hz
