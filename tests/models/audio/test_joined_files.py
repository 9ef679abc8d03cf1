"""Tags before a recording, lengths that no header says, BW64, and several recordings in one file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.decoding import decode
from ambivox.models.audio.joined_files import mp3_seconds, tag_bytes
from ambivox.models.audio.probing import probe

SAMPLES = 0.3 * np.sin(np.arange(48_000) / 9) + 0.01 * np.random.default_rng(0).normal(size=48_000)
NOISE = np.random.default_rng(1).integers(0, 256, 1 << 16, dtype=np.uint8).tobytes()


def coded(kind: str, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    """Three seconds at 16 kHz."""
    stream = io.BytesIO()
    soundfile.write(stream, np.stack([SAMPLES] * channels, 1), rate_hz, format=kind)
    return stream.getvalue()


def tag(size: int, fill: bytes = b"\0", *, footer: bool = False) -> bytes:
    """An ID3v2.4 tag with ``size`` bytes of frames."""
    digits = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    flags = b"\x10" if footer else b"\0"
    content = (fill * (size // len(fill) + 1))[:size]
    return b"ID3\x04\0" + flags + digits + content + (b"3DI\x04\0" + flags + digits if footer else b"")


def without_length(flac: bytes) -> bytes:
    """A FLAC file as an encoder leaves it that writes to a pipe."""
    content = bytearray(flac)
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def without_xing(mp3: bytes) -> bytes:
    """An MP3 without its first frame, which says its length."""
    return mp3[mp3.find(mp3[:2], 20) :]


TAGS = {
    "small": tag(10),
    "some kilobytes": tag(4200),
    "a picture": tag(300_000, NOISE),
    "megabytes": tag(5 << 20),
    "footer": tag(9_000, footer=True),
    "two": tag(2_000) + tag(200_000, NOISE),
}


@pytest.mark.parametrize("name", TAGS)
@pytest.mark.parametrize("kind", ["FLAC", "WAV", "AIFF", "MP3", "OGG", "RF64", "W64", "AU"])
def test_a_tag_before_the_sound_is_skipped(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "a.sound"
    path.write_bytes(coded(kind))
    expected = decode(str(path))
    path.write_bytes(TAGS[name] + coded(kind))
    np.testing.assert_array_equal(decode(str(path)), expected)
    np.testing.assert_array_equal(decode(Clip(str(path), 1.0, 2.0)), decode(Clip(str(path), 1.0, 2.0)))
    assert tag_bytes(io.BytesIO(path.read_bytes())) == len(TAGS[name])
    assert probe([str(path)], tmp_path / "c.sqlite")["duration_seconds"].to_list() == [3.0]


@pytest.mark.parametrize("kind", ["FLAC", "WAV", "AIFF", "RF64", "W64", "AU"])
def test_half_a_file_behind_a_tag_is_a_reject(tmp_path: Path, kind: str) -> None:
    content = coded(kind)
    (tmp_path / "a.sound").write_bytes(TAGS["two"] + content[: len(content) // 2])
    with pytest.raises(AudioError, match="truncated"):
        decode(str(tmp_path / "a.sound"))


@pytest.mark.parametrize(
    "content", [tag(1000), tag(1000)[:500], b"ID3", b"ID3\xff\xff" + bytes(90), TAGS["two"] + NOISE]
)
def test_a_tag_without_sound_is_a_reject(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(AudioError) as caught:
        decode(str(tmp_path / "a.mp3"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("before", ["", "a picture"])
@pytest.mark.parametrize("channels", [1, 2])
def test_flac_without_a_length_is_read_to_its_end(tmp_path: Path, before: str, channels: int) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(coded("FLAC", channels=channels))
    expected = decode(str(path))
    path.write_bytes(TAGS.get(before, b"") + without_length(coded("FLAC", channels=channels)))
    np.testing.assert_array_equal(decode(str(path)), expected)
    np.testing.assert_array_equal(decode(Clip(str(path), 1.0, 2.5)), expected[16_000:40_000])
    np.testing.assert_array_equal(decode(Clip(str(path), 1.0)), expected[16_000:])
    row = probe([Clip(str(path)), Clip(str(path), 0.5, 1.0)], tmp_path / "c.sqlite")
    assert row["duration_seconds"].to_list() == [3.0, 0.5]
    with pytest.raises(AudioError):
        decode(Clip(str(path), 2.0, 4.0))


def test_flac_without_a_length_is_held_to_the_longest_duration(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(3_700_000, np.int16), 1_000)
    path.write_bytes(without_length(path.read_bytes()))
    with pytest.raises(AudioError, match="too long"):
        decode(str(path))
    assert probe([str(path)], tmp_path / "c.sqlite")["problem"].to_list() == ["too long"]


def test_bw64_is_rf64(tmp_path: Path) -> None:
    content = coded("RF64")
    (tmp_path / "a.wav").write_bytes(b"BW64" + content[4:])
    (tmp_path / "b.wav").write_bytes(content)
    np.testing.assert_array_equal(decode(str(tmp_path / "a.wav")), decode(str(tmp_path / "b.wav")))
    assert len(decode(Clip(str(tmp_path / "a.wav"), 1.0, 2.0))) == 16_000
    (tmp_path / "a.wav").write_bytes(b"BW64" + content[4 : len(content) // 2])
    with pytest.raises(AudioError, match="truncated"):
        decode(str(tmp_path / "a.wav"))


@pytest.mark.parametrize("kind", ["FLAC", "RF64", "W64", "AU", "WAV", "AIFF", "OGG"])
@pytest.mark.parametrize("before", [b"", TAGS["two"]])
def test_one_file_behind_another_is_a_reject(tmp_path: Path, kind: str, before: bytes) -> None:
    path = tmp_path / "a.sound"
    path.write_bytes(before + coded(kind) + coded(kind))
    with pytest.raises(AudioError) as caught:
        decode(str(path))
    assert caught.value.reason == "corrupt"
    assert "\n" not in str(caught.value)


MP3 = coded("MP3")
ID3V1 = b"TAG" + bytes(125)
JOINED = {
    "both with a length": MP3 + MP3,
    "tags before both": tag(100) + MP3 + tag(100) + MP3,
    "a tag behind the first": MP3 + ID3V1 + MP3 + ID3V1,
    "only the first with a length": MP3 + without_xing(MP3),
    "only the second with a length": without_xing(MP3) + MP3,
    "none with a length": without_xing(MP3) + without_xing(MP3),
    "a picture between": MP3 + tag(100_000, NOISE) + MP3,
    "another rate": MP3 + coded("MP3", 44_100),
    "more channels": MP3 + coded("MP3", channels=2),
    "a variable bit rate without a length": without_xing(MP3),
}


@pytest.mark.parametrize("name", JOINED)
def test_an_mp3_of_which_a_part_would_be_heard_is_a_reject(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.mp3").write_bytes(JOINED[name])
    with pytest.raises(
        AudioError, match=r"holds \d+\.\d\d s, of which .*; if other programs play it: ffmpeg -i"
    ):
        decode(str(tmp_path / "a.mp3"))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT", "AVERAGE"])
def test_whole_mp3s_are_heard(tmp_path: Path, rate_hz: int, channels: int, mode: str) -> None:
    path = tmp_path / "a.mp3"
    with soundfile.SoundFile(path, "w", rate_hz, channels, format="MP3", bitrate_mode=mode) as file:
        file.write(np.stack([SAMPLES] * channels, 1))
    content = path.read_bytes()
    for written in (content, content + ID3V1, tag(200) + content + tag(300, NOISE), content + bytes(5_000)):
        path.write_bytes(written)
        assert len(decode(str(path))) == pytest.approx(48_000 * 16_000 / rate_hz, abs=2)
        held = mp3_seconds(io.BytesIO(written))
        assert held == pytest.approx(48_000 / rate_hz, abs=0.4)


def test_an_mp3_whose_frames_cross_a_block_is_counted_to_its_end() -> None:
    assert mp3_seconds(io.BytesIO(MP3 * 500)) == pytest.approx(500 * (mp3_seconds(io.BytesIO(MP3)) or 0))
    assert mp3_seconds(io.BytesIO(b"")) is None
    assert mp3_seconds(io.BytesIO(NOISE[:3])) is None
    assert mp3_seconds(io.BytesIO(b"\xff\xfb\x00\x00" + bytes(40))) is None  # of a free size
