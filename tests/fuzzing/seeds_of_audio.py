"""Recordings whose headers need more than libsndfile does: tags, lengths that are not declared, and joined files."""

from __future__ import annotations

import io
import struct

import numpy as np
import soundfile


def audio(form: str, subtype: str | None = None) -> bytes:
    """A third of a second of a tone."""
    samples = 0.3 * np.sin(np.arange(2700) / 5)
    stream = io.BytesIO()
    soundfile.write(stream, np.stack([samples, samples], 1), 8000, format=form, subtype=subtype)
    return stream.getvalue()


def tag(size: int, *, footer: bool = False) -> bytes:
    """An ID3v2.4 tag."""
    digits = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    flags = b"\x10" if footer else b"\0"
    return b"ID3\x04\0" + flags + digits + bytes(size) + (b"3DI\x04\0" + flags + digits if footer else b"")


def flac_without_a_length() -> bytes:
    """As an encoder leaves it that writes to a pipe."""
    content = bytearray(audio("FLAC"))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def wav_without_a_length() -> bytes:
    """As a program leaves it that was stopped."""
    content = audio("WAV")
    place = content.index(b"data") + 4
    return content[:4] + b"\xff" * 4 + content[8:place] + b"\xff" * 4 + content[place + 4 :]


def sphere() -> bytes:
    """NIST SPHERE."""
    samples = audio("RAW", "PCM_16")
    lines = (
        "NIST_1A", "   1024", f"sample_count -i {len(samples) // 4}", "sample_n_bytes -i 2", "channel_count -i 2",
        "sample_rate -i 8000", "sample_byte_format -s2 01", "sample_coding -s3 pcm", "end_head\n",
    )  # fmt: skip
    return "\n".join(lines).encode().ljust(1024) + samples


def unusual() -> tuple[bytes, ...]:
    """All of them."""
    mp3, flac, rf64 = audio("MP3"), audio("FLAC"), audio("RF64")
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 1 << 31) + bytes(8)
    return (
        tag(10) + flac,
        tag(200, footer=True) + tag(20) + flac_without_a_length(),
        flac_without_a_length(),
        wav_without_a_length(),
        b"BW64" + rf64[4:],
        tag(30) + b"BW64" + rf64[4:],
        flac + flac,
        rf64 + rf64,
        tag(10) + mp3 + tag(10) + mp3,
        mp3 + b"TAG" + bytes(125),
        mp3[mp3.find(mp3[:2], 20) :] + ape,
        audio("OGG") * 2,
        audio("OGG", "OPUS"),
        audio("AU") * 2,
        audio("W64"),
        sphere(),
    )
