"""Silence, channels that cancel and calls on two channels are noticed; segments and channels are heard as asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.decoding import decode
from ambivox.models.audio.probing import probe
from tests.support.wav_files import tone, wav, write_wav

TONE = tone()
NOISE = np.random.default_rng(0).normal(scale=0.1, size=len(TONE))


def heard(path: Path, samples: np.ndarray, **options: str) -> str | None:
    """What probing notices about a file with these samples."""
    soundfile.write(path, samples, 16_000, **options)
    value: str | None = probe([str(path)], path.with_suffix(".sqlite"))["heard"][0]
    return value


@pytest.mark.parametrize(
    ("kind", "samples", "expected"),
    [
        ("zeros", np.zeros(8000), "silent"),
        ("two channels of zeros", np.zeros((8000, 2)), "silent"),
        ("a constant", np.full(8000, 0.25), "silent"),
        ("dither", np.random.default_rng(0).integers(0, 2, 8000) / 32768, "silent"),
        ("late speech", np.concatenate([np.zeros(100_000), TONE]), None),
        ("quiet speech", 0.001 * TONE, None),
        ("speech", TONE, None),
        ("opposite channels", np.stack([TONE, -TONE], 1), "cancelling channels"),
        ("nearly opposite channels", np.stack([TONE, -0.9 * TONE], 1), "cancelling channels"),
        ("four channels that cancel", np.stack([TONE, -TONE, NOISE, -NOISE], 1), "cancelling channels"),
        ("a call", np.stack([TONE, NOISE], 1), "different channels"),
        ("one channel used", np.stack([TONE, np.zeros(8000)], 1), "different channels"),
        ("six channels", np.stack([TONE, NOISE] * 3, 1), "different channels"),
        ("twice the same", np.stack([TONE, TONE], 1), None),
    ],
)
@pytest.mark.parametrize("options", [{"subtype": "PCM_16"}, {"subtype": "FLOAT"}, {"format": "FLAC"}])
def test_what_is_unusual_is_noticed(
    tmp_path: Path, kind: str, samples: np.ndarray, expected: str | None, options: dict[str, str]
) -> None:
    assert heard(tmp_path / "a.wav", samples, **options) == expected, kind


def test_cancelling_channels_are_heard_by_one(tmp_path: Path) -> None:
    name = write_wav(tmp_path / "a.wav", np.stack([TONE, -TONE], 1))
    np.testing.assert_allclose(decode(name), TONE, atol=1e-4)
    row = probe([name], tmp_path / "c.sqlite").row(0, named=True)
    assert row["channel"] == 1
    np.testing.assert_array_equal(decode(Clip(name, channel=1)), decode(name))
    assert row["audio_sha256"] == probe([Clip(name, channel=1)], tmp_path / "c.sqlite")["audio_sha256"][0]


@pytest.mark.parametrize("options", [{}, {"subtype": "IMA_ADPCM"}, {"format": "FLAC"}, {"format": "OGG"}])
def test_a_channel_is_chosen(tmp_path: Path, options: dict[str, str]) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([TONE, tone(hz=900)], 1), 16_000, **options)
    for channel, hz in ((1, 300), (2, 900)):
        samples = decode(Clip(str(path), channel=channel))
        assert np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples) == pytest.approx(hz, abs=3)
    with pytest.raises(AudioError, match=r"audio is without that channel \(3 of 2\)"):
        decode(Clip(str(path), channel=3))
    mono = write_wav(tmp_path / "mono.wav", TONE)
    np.testing.assert_array_equal(decode(Clip(mono, channel=2)), decode(mono))


SEEKABLE = [
    {},
    {"subtype": "FLOAT"},
    {"format": "FLAC"},
    {"format": "W64"},
    {"subtype": "ULAW"},
    {"subtype": "ALAW"},
]
NOT_SEEKABLE = [
    {"format": "WAV", "subtype": "GSM610"},
    {"format": "AIFF", "subtype": "GSM610"},
    {"format": "W64", "subtype": "GSM610"},
    {"format": "WAV", "subtype": "G721_32"},
    {"format": "AU", "subtype": "G721_32"},
    {"format": "AU", "subtype": "G723_24"},
    {"format": "AU", "subtype": "G723_40"},
    {"format": "WAV", "subtype": "NMS_ADPCM_16"},
    {"format": "WAV", "subtype": "NMS_ADPCM_24"},
    {"format": "WAV", "subtype": "NMS_ADPCM_32"},
    {"format": "XI", "subtype": "DPCM_16"},
    {"format": "XI", "subtype": "DPCM_8"},
]
ADPCM = [
    {"format": "WAV", "subtype": "IMA_ADPCM"},
    {"format": "WAV", "subtype": "MS_ADPCM"},
    {"format": "W64", "subtype": "IMA_ADPCM"},
    {"format": "AIFF", "subtype": "IMA_ADPCM"},
    {"format": "CAF", "subtype": "ALAC_16"},
    {"format": "VOC", "subtype": "ULAW"},
    {"format": "NIST", "subtype": "ALAW"},
    {"format": "IRCAM", "subtype": "ULAW"},
    {"format": "AU", "subtype": "ALAW"},
]


@pytest.mark.parametrize("options", [*SEEKABLE, *NOT_SEEKABLE, *ADPCM])
def test_segments_of_every_codec_are_parts_of_the_whole(tmp_path: Path, options: dict[str, str]) -> None:
    path = tmp_path / "long"
    rate_hz = 44_100 if options.get("format") == "XI" else 16_000
    soundfile.write(path, tone(2.0, rate_hz), rate_hz, **({"format": "WAV"} | options))
    whole = decode(str(path), rate_hz)
    clips = [Clip(str(path), start, end) for start, end in [(0.0, 0.5), (0.5, 1.25), (1.0, 2.0), (0.1, 0.2)]]
    probed = probe(clips, tmp_path / "c.sqlite")
    assert probed["problem"].to_list() == [None] * 4
    assert probed["duration_seconds"].to_list() == pytest.approx([0.5, 0.75, 1.0, 0.1])
    assert probed["audio_sha256"].n_unique() == 4
    for clip in clips:
        assert clip.start_seconds is not None and clip.end_seconds is not None
        start, end = (round(seconds * rate_hz) for seconds in (clip.start_seconds, clip.end_seconds))
        np.testing.assert_array_equal(decode(clip, rate_hz), whole[start:end])
    assert probe(clips, tmp_path / "c.sqlite").equals(probed)  # from the cache


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (0.5, 0.75, "outside the recording"),
        (0.4, 9.0, "outside the recording"),
        (-0.1, 0.2, "outside the recording"),
        (0.3, 0.2, "outside the recording"),
        (0.2, 0.2, "empty"),
        (0.2, 0.21, "too short"),
    ],
)
def test_segments_that_are_not_there_are_rejected(
    tmp_path: Path, start: float, end: float, reason: str
) -> None:
    name = write_wav(tmp_path / "a.wav", TONE)
    clip = Clip(name, start, end)
    with pytest.raises(AudioError, match=rf"a\.wav \[{start:g}-{end:g} s\]: audio is {reason}"):
        decode(clip)
    probed = probe([clip, name], tmp_path / "c.sqlite")
    assert probed["problem"].to_list() == [reason, None]


def test_a_segment_may_end_a_little_late_or_nowhere(tmp_path: Path) -> None:
    name = write_wav(tmp_path / "a.wav", TONE)
    assert len(decode(Clip(name, 0.4, 0.6))) == len(decode(Clip(name, 0.4))) == 1600
    assert len(decode(Clip(name, None, 0.1))) == 1600


def test_segments_are_silent_or_not_by_themselves(tmp_path: Path) -> None:
    name = write_wav(tmp_path / "a.wav", np.concatenate([TONE, np.zeros(8000)]))
    probed = probe([Clip(name, 0.0, 0.5), Clip(name, 0.5, 1.0), name], tmp_path / "c.sqlite")
    assert probed["heard"].to_list() == [None, "silent", None]


def test_a_segment_of_a_recording_of_hours(tmp_path: Path) -> None:
    path = tmp_path / "day.wav"
    hours = 3
    content = wav(TONE, 8_000)
    with path.open("wb") as file:  # sparse, so that the test is fast
        file.write(wav(np.zeros(0), 8_000, data_length=hours * 3600 * 16_000))
        file.seek(44 + 2 * 3600 * 16_000)
        file.write(content[44:])
        file.truncate(44 + hours * 3600 * 16_000)
    assert len(decode(Clip(str(path), 7200.0, 7201.0))) == 16_000
    with pytest.raises(AudioError, match="too long"):
        decode(str(path))
