"""What comes out of ``decode``, for every format and every kind of damage, and that memory stays bounded."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ambivox.models.audio.audio_error
import ambivox.models.audio.decoding
from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.decoding import decode, decode_many, windows


def tone(seconds: float = 1.0, rate_hz: int = 16_000, hz: float = 440.0) -> np.ndarray:
    """A sine of amplitude 0.5."""
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)


def loudest_hz(samples: np.ndarray, rate_hz: int) -> float:
    """The frequency of the highest peak of the spectrum."""
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate_hz / len(samples))


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("wav", {"subtype": "PCM_16"}),
        ("wav", {"subtype": "FLOAT"}),
        ("flac", {}),
        ("mp3", {}),
        ("ogg", {"format": "OGG", "subtype": "VORBIS"}),
        ("opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)
@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_every_format_gives_the_tone_back(
    tmp_path: Path, suffix: str, options: dict[str, str], rate_hz: int
) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(rate_hz=rate_hz), rate_hz, **options)
    samples = decode(str(path))
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(16_000, abs=1200)  # MP3 pads to whole frames
    assert loudest_hz(samples, 16_000) == pytest.approx(440, abs=3)
    assert np.abs(samples[4000:12000]).max() == pytest.approx(0.5, abs=0.05)


def test_channels_are_averaged_and_resampling_keeps_the_length(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tone(rate_hz=44_100), np.zeros(44_100)], axis=1), 44_100, subtype="FLOAT")
    samples = decode(str(path), rate_hz=8_000)
    assert len(samples) == 8_000
    assert np.abs(samples[1000:7000]).max() == pytest.approx(0.25, abs=0.01)


def test_same_rate_is_bit_exact(tmp_path: Path) -> None:
    written = tone().astype(np.float32)
    soundfile.write(tmp_path / "a.wav", written, 16_000, subtype="FLOAT")
    np.testing.assert_array_equal(decode(str(tmp_path / "a.wav")), written)


def damaged(kind: str, path: Path) -> str:
    """Make one damaged file and return its name."""
    soundfile.write(path, tone(), 16_000, subtype="FLOAT")
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "no file at all":
        path.write_bytes(b"")
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), 16_000)
    elif kind == "one sample":
        soundfile.write(path, np.zeros(1), 16_000)
    elif kind == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "text":
        path.write_text("RIFF but not really")
    elif kind == "opposite infinities":
        samples = np.full((16_000, 2), 0.1)
        samples[77] = np.inf, -np.inf
        soundfile.write(path, samples, 16_000, subtype="FLOAT")
    elif kind == "nan":
        soundfile.write(path, np.where(np.arange(16_000) == 77, np.nan, 0.1), 16_000, subtype="FLOAT")
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    return str(path)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "missing"),
        ("folder", "not a file"),
        ("no file at all", "empty"),
        ("no samples", "empty"),
        ("one sample", "too short"),
        ("cut short", "corrupt"),
        ("text", "corrupt"),
        ("nan", "not finite"),
        ("opposite infinities", "not finite"),
    ],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_damage_is_named(tmp_path: Path, kind: str, reason: str) -> None:
    name = damaged(kind, tmp_path / "a.wav")
    with pytest.raises(AudioError, match=r"a\.wav: audio is ") as caught:
        decode(name)
    assert caught.value.reason == reason
    assert caught.value.audio == name
    assert "\n" not in str(caught.value)


def test_a_header_of_many_hours_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ambivox.models.audio.audio_error, "LONGEST_SECONDS", 0.5)
    soundfile.write(tmp_path / "a.flac", tone(), 16_000)
    with pytest.raises(AudioError) as caught:
        decode(str(tmp_path / "a.flac"))
    assert caught.value.reason == "too long"


def test_a_name_with_a_null_byte_is_missing() -> None:
    with pytest.raises(AudioError):
        decode("a\0b.wav")


def test_decode_many_keeps_order_and_goes_on_after_an_error(tmp_path: Path) -> None:
    names = []
    for index in range(20):
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, np.full(1000 + index, 0.1), 16_000, subtype="FLOAT")
        names.append(str(path))
    names[7] = str(tmp_path / "absent.wav")
    results = list(decode_many(names, workers=4, ahead=5))
    assert [index for index, _ in results] == list(range(20))
    assert isinstance(results[7][1], AudioError)
    assert [len(samples) for index, samples in results if not isinstance(samples, AudioError)] == [
        1000 + index for index in range(20) if index != 7
    ]


def test_decode_many_never_runs_further_ahead_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, decoded = threading.Lock(), 0

    def counting(audio: str, rate_hz: int, sha256: str | None) -> np.ndarray:
        nonlocal decoded
        with lock:
            decoded += 1
        return np.zeros(rate_hz, dtype=np.float32)

    monkeypatch.setattr(ambivox.models.audio.decoding, "decode_or_error", counting)
    read = 0
    for _ in decode_many(["x"] * 200, workers=2, ahead=8):
        read += 1
        with lock:
            assert decoded <= read + 8
    assert read == 200


@pytest.mark.parametrize(("seconds", "count"), [(0.5, 1), (30.0, 1), (30.01, 2), (75.0, 3)])
def test_windows_are_equal_and_join_to_the_clip(seconds: float, count: int) -> None:
    samples = np.arange(int(seconds * 1000), dtype=np.float32)
    parts = windows(samples, 1000, 30.0)
    assert len(parts) == count == max(1, math.ceil(seconds / 30))
    np.testing.assert_array_equal(np.concatenate(parts), samples)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert max(map(len, parts)) <= 30_000
