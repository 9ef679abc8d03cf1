"""How many bytes a file lacks of what its header declares: libsndfile reads what is there, and says nothing.

WAV has models/audio/wav_header.py. Placeholders for an unknown length are no declaration.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import BinaryIO

HEAD_BYTES = 4096
_UNKNOWN = 0xFFFFFFFF
_MOST = 1 << 62  # programs declare more where they do not know
_FIRST_PAGE = 2  # a flag of Ogg's pages
_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"


def missing_bytes(source: BinaryIO, file_bytes: int) -> int:
    """The bytes that a file lacks of its audio; 0 where none are missing, or nothing is declared.

    Args:
        source: The open file. Its position is not kept.
        file_bytes: Its size.
    """
    length = declared_end(source)
    return length - file_bytes if file_bytes < length < _MOST else 0


def declared_end(source: BinaryIO) -> int:
    """Where a file ends by its header; 0 where nothing is declared. The position of ``source`` is not kept."""
    source.seek(0)
    head = source.read(HEAD_BYTES)
    for magic, declared in _DECLARED.items():
        if head.startswith(magic):
            try:
                return declared(head)
            except (struct.error, ValueError, IndexError):
                return 0
    return 0


def ogg_fault(source: BinaryIO, file_bytes: int) -> str | None:
    """What keeps an Ogg file from being read to its end: a page that is cut off, or several streams one after the other.

    Args:
        source: The open file. Its position is not kept.
        file_bytes: Its size.

    Returns:
        The fault in a few words; None for another format, or none.
    """
    position, has_sound = 0, False
    while position + 27 <= file_bytes:
        source.seek(position)
        page = source.read(27 + 255)
        if page[:4] != b"OggS":
            return None  # another format, or bytes behind the sound
        if page[5] & _FIRST_PAGE:
            if has_sound:
                return "holds several streams, one after the other"
        else:
            has_sound = True
        position += 27 + page[26] + sum(page[27 : 27 + page[26]])
        if position > file_bytes:
            return "its last page is cut off"
    return None


def _aiff(head: bytes) -> int:
    return 8 + int(struct.unpack(">I", head[4:8])[0])


def _au(head: bytes) -> int:
    start, length = struct.unpack(">II", head[4:12])
    return 0 if length == _UNKNOWN else int(start + length)


def _wave64(head: bytes) -> int:
    return int(struct.unpack("<Q", head[16:24])[0])


def _rf64(head: bytes) -> int:
    if head[12:16] != b"ds64":
        return 0
    riff, data = struct.unpack("<QQ", head[20:36])
    return int(riff) + 8 if data else 0


def _sphere(head: bytes) -> int:
    """NIST SPHERE: a header of text, then samples; compressed ones ("shorten") are not counted."""
    text = head[:1024].decode("ascii", "replace")
    if re.search(r"sample_coding\s+-s\d+\s+\S*,", text):
        return 0
    found = (
        re.search(rf"{name}\s+-i\s+(\d+)", text)
        for name in ("sample_count", "sample_n_bytes", "channel_count")
    )
    count, size, channels = (int(match[1]) if match else 1 for match in found)
    return int(text.split()[1]) + count * size * channels


_DECLARED: dict[bytes, Callable[[bytes], int]] = {
    b"FORM": _aiff,
    b".snd": _au,
    _W64: _wave64,
    b"RF64": _rf64,
    b"BW64": _rf64,
    b"NIST_1A": _sphere,
}
