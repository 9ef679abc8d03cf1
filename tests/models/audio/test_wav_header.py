"""WAV files whose headers are wrong, as programs and crashes leave them, are read to their end, or rejected as cut short."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.decoding import decode
from ambivox.models.audio.probing import probe
from tests.support.wav_files import HEADER_BYTES, chunk, tone, wav

SAMPLES = tone()
BYTES = 2 * len(SAMPLES)
# What programs declare that write to a pipe, or were killed.
PLACEHOLDERS = {
    "SoX": (0x7FFFF000, 0x7FFFF024),
    "SoX, six channels' frames": (0x7FFFEFFA, 0x7FFFF01E),
    "arecord": (0x7FFFFF00, 0x7FFFFF24),
    "arecord, old": (0x80000000, 0x80000024),
    "GStreamer": (0, 36),
    "GStreamer, old": (0x7FFF0000, 0x7FFF0024),
    "ffmpeg": (0xFFFFFFFF, 0xFFFFFFFF),
    "speech services": (0xFFFFFFFF - 36, 0xFFFFFFFF),
    "largest signed": (0x7FFFFFFF, 0x7FFFFFFF),
    "largest signed, less the header": (0x7FFFFFFF - 36, 0x7FFFFFFF),
    "killed before the first update": (0, 0),
    "only the outer length known": (0, 36 + BYTES),
    "only the inner length unknown": (0xFFFFFFFF, 36 + BYTES),
}
# Wrong by a few bytes.
MISTAKES = {
    "length of the file": BYTES + HEADER_BYTES,
    "length of the outer chunk": BYTES + 36,
    "one byte more": BYTES + 1,
    "a frame more": BYTES + 2,
    "a byte less": BYTES - 1,
    "a frame less": BYTES - 2,
    "length less the header": BYTES - HEADER_BYTES,
    "killed after half": BYTES // 2,
    "killed after two bytes": 2,
}


def heard(path: Path, content: bytes) -> tuple[np.ndarray, dict[str, object]]:
    """The decoded samples, and the row of probing, of a file with this content."""
    path.write_bytes(content)
    row = probe([str(path)], path.with_suffix(".sqlite")).row(0, named=True)
    return decode(str(path)), row


@pytest.mark.parametrize("name", PLACEHOLDERS)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_placeholder_means_the_end_of_the_file(tmp_path: Path, name: str, channels: int) -> None:
    data_length, riff_length = PLACEHOLDERS[name]
    stacked = np.stack([SAMPLES] * channels, axis=1)
    samples, row = heard(tmp_path / "a.wav", wav(stacked, data_length=data_length, riff_length=riff_length))
    np.testing.assert_allclose(samples, SAMPLES, atol=1e-4)
    assert row["duration_seconds"] == pytest.approx(0.5)
    assert row["corrected"] == "declares no length"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_length_loses_nothing(tmp_path: Path, name: str) -> None:
    length = MISTAKES[name]
    samples, row = heard(tmp_path / "a.wav", wav(SAMPLES, data_length=length))
    np.testing.assert_allclose(samples, SAMPLES, atol=1e-4)
    assert row["duration_seconds"] == pytest.approx(0.5)
    kind = "too few" if length < BYTES else "that are not there"
    assert row["corrected"] == f"declares {abs(BYTES - length)} bytes {kind}"


@pytest.mark.parametrize(
    "after",
    [
        chunk(b"LIST", b"INFOISFT" + struct.pack("<I", 4) + b"abcd"),
        chunk(b"LIST", b"INFO" + b"x" * 31) + b"\0" + chunk(b"id3 ", b"ID3\3\0\0" + b"y" * 90),
        chunk(b"LIST", b"cut off", length=5000),
        chunk(b"odd!", b"unknown but well formed"),
        b"TAG" + b"t" * 125,
        b"ID3\3\0\0\0\0\0\x0a" + b"z" * 10,
        bytes(4096),
        b"",
    ],
    ids=["list", "two chunks", "cut chunk", "unknown chunk", "id3v1", "id3v2", "zeros", "nothing"],
)
def test_what_follows_the_audio_is_not_audio(tmp_path: Path, after: bytes) -> None:
    samples, row = heard(tmp_path / "a.wav", wav(SAMPLES, after=after))
    np.testing.assert_allclose(samples, SAMPLES, atol=1e-4)
    assert row["corrected"] is None


@pytest.mark.parametrize("declared", [BYTES, 0xFFFFFFFF, 0])
def test_audio_behind_a_long_chunk_is_found(tmp_path: Path, declared: int) -> None:
    before = chunk(b"bext", bytes(70_001)) + b"\0" + chunk(b"JUNK", bytes(100_000))
    samples, row = heard(tmp_path / "a.wav", wav(SAMPLES, data_length=declared, before=before))
    np.testing.assert_allclose(samples, SAMPLES, atol=1e-4)
    assert (row["corrected"] is None) == (declared == BYTES)


def test_silence_behind_a_placeholder_is_audio(tmp_path: Path) -> None:
    samples, row = heard(tmp_path / "a.wav", wav(np.zeros(8000), data_length=0))
    assert len(samples) == 8000
    assert row["heard"] == "silent"


@pytest.mark.parametrize(
    "subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610", "ULAW", "ALAW", "PCM_24", "FLOAT", "G721_32"]
)
@pytest.mark.parametrize("declared", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_placeholders_of_other_encodings(tmp_path: Path, subtype: str, declared: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, SAMPLES, 16_000, subtype=subtype)
    expected, content = decode(str(path)), bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"data") + 4, declared)
    samples, row = heard(path, bytes(content))
    # Metadata behind the audio of a file without a length cannot be told from it.
    assert len(samples) >= len(expected)
    np.testing.assert_allclose(samples[: len(expected)], expected, atol=1e-3)
    assert row["corrected"] == "declares no length"


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT", "ULAW", "IMA_ADPCM", "GSM610"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_short_is_rejected(tmp_path: Path, subtype: str, share: float) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(5.0), 16_000, subtype=subtype)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        AudioError, match=r"truncated: .* bytes of audio that the header declares are missing"
    ):
        decode(str(path))
    assert probe([str(path)], tmp_path / "c.sqlite")["problem"].to_list() == ["corrupt"]


@pytest.mark.parametrize("options", [{"format": "FLAC"}, {"format": "MP3"}])
def test_other_formats_that_were_cut_short_are_rejected(tmp_path: Path, options: dict[str, str]) -> None:
    path = tmp_path / "a"
    soundfile.write(path, np.tile(tone(), 10), 16_000, **options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match="truncated"):
        decode(str(path))


@pytest.mark.parametrize("seed", range(60))
def test_damaged_headers_are_errors_with_a_reason_or_sound(tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    content = bytearray(wav(SAMPLES, after=chunk(b"LIST", b"INFO")))
    for position in draw.integers(4, HEADER_BYTES, size=3):
        content[position] = draw.integers(256)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    try:
        assert len(decode(str(path)))
    except AudioError as error:
        assert "\n" not in str(error)
    row = probe([str(path)], tmp_path / "c.sqlite").row(0, named=True)
    assert row["problem"] is not None or row["duration_seconds"] > 0
