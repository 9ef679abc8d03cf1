"""Excerpts as Ogg Opus: what they hold, how long they are, and that equal audio gives equal bytes."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ambivox.models.audio import excerpts
from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.excerpts import excerpt
from tests.support.wav_files import tone, write_wav


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return write_wav(tmp_path / "a.wav", tone(2.0, hz=440.0))


def test_it_sounds_like_the_recording(recording: str) -> None:
    samples, rate_hz = soundfile.read(io.BytesIO(excerpt(Clip(recording), 8.0)))
    assert rate_hz == 16_000 and abs(len(samples) / rate_hz - 2.0) < 0.03
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(np.argmax(spectrum) * rate_hz / len(samples) - 440) < 2
    assert 0.3 < np.sqrt(np.mean(samples**2)) < 0.4


@pytest.mark.parametrize("seconds", [0.03, 0.5, 1.99])
def test_a_longer_recording_is_cut_and_fades_out(recording: str, seconds: float) -> None:
    samples, rate_hz = soundfile.read(io.BytesIO(excerpt(Clip(recording), seconds)))
    assert abs(len(samples) / rate_hz - seconds) < 0.03
    assert np.abs(samples[-8:]).max() < 0.1


def test_only_the_segment_is_heard(tmp_path: Path) -> None:
    loud_and_silent = np.concatenate([tone(1.0), np.zeros(16_000)])
    path = write_wav(tmp_path / "a.wav", loud_and_silent)
    samples, _ = soundfile.read(io.BytesIO(excerpt(Clip(path, start_seconds=1.2), 8.0)))
    assert np.abs(samples).max() < 0.01


def test_equal_audio_gives_equal_bytes_and_pages_have_right_checksums(recording: str) -> None:
    stream = excerpt(Clip(recording), 8.0)
    assert excerpt(Clip(recording), 8.0) == stream
    start, pages = 0, 0
    while start < len(stream):
        assert stream[start : start + 4] == b"OggS"
        segments = stream[start + 26]
        end = start + 27 + segments + sum(stream[start + 27 : start + 27 + segments])
        page = bytearray(stream[start:end])
        (stated,) = struct.unpack("<I", page[22:26])
        page[22:26] = bytes(4)
        assert stated == _crc(bytes(page))
        start, pages = end, pages + 1
    assert pages > 2


def test_what_cannot_be_heard_is_an_error(tmp_path: Path, recording: str) -> None:
    with pytest.raises(AudioError, match="missing"):
        excerpt(Clip(str(tmp_path / "none.wav")), 1.0)
    with pytest.raises(AudioError, match="changed"):
        excerpt(Clip(recording), 1.0, sha256="0" * 64)


def test_the_checksum_is_that_of_the_standard() -> None:
    """RFC 3533 takes the polynomial 0x04c11db7 bit by bit, the highest bit first."""
    for content in (b"", b"\x01", b"OggS and more", bytes(range(256)) * 3):
        assert excerpts._checksum(content) == _crc(content)


def _crc(content: bytes) -> int:
    register = 0
    for byte in content:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)
            register &= 0xFFFFFFFF
    return register
