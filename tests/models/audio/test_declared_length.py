"""Files that were cut short, or put one behind the other, in formats whose lengths libsndfile does not check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.decoding import decode
from ambivox.models.audio.listening import listen
from ambivox.models.audio.opening import open_audio
from ambivox.models.audio.sounds import open_sound

FORMATS = [("AIFF", "PCM_16"), ("AU", "PCM_16"), ("W64", "PCM_24"), ("RF64", "PCM_16"), ("NIST", "PCM_16")]
FORMATS += [("OGG", "VORBIS"), ("OGG", "OPUS")]


def _write(path: Path, kind: str, coding: str, seconds: float = 3.0) -> bytes:
    wave = 0.3 * np.sin(np.arange(int(16_000 * seconds)) / 9 + np.random.default_rng(1).normal(0, 0.2, 1))
    soundfile.write(path, wave, 16_000, format=kind, subtype=coding)
    return path.read_bytes()


@pytest.mark.parametrize(("kind", "coding"), FORMATS)
def test_half_a_file_is_a_reject_and_a_whole_one_is_not(tmp_path: Path, kind: str, coding: str) -> None:
    path = tmp_path / "a.sound"
    content = _write(path, kind, coding)
    assert len(decode(Clip(str(path)), 16_000)) == pytest.approx(48_000, abs=1600)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=r"truncated|cut off|malformed"):
        decode(Clip(str(path)), 16_000)


@pytest.mark.parametrize(("kind", "coding"), FORMATS[:4])
def test_a_few_bytes_less_are_a_mistake_of_the_header(tmp_path: Path, kind: str, coding: str) -> None:
    path = tmp_path / "a.sound"
    path.write_bytes(_write(path, kind, coding)[:-12])
    assert len(decode(Clip(str(path)), 16_000)) == pytest.approx(48_000, abs=160)


def test_one_ogg_behind_another_is_not_half_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    content = _write(path, "OGG", "VORBIS")
    path.write_bytes(content + content)
    with pytest.raises(
        AudioError, match="several streams, one after the other; if other programs play it: ffmpeg -i"
    ):
        decode(Clip(str(path)), 16_000)


def _heard(path: Path) -> str | None:
    with open_audio(str(path)) as source:
        return listen(open_sound(source, str(path)), Clip(str(path))).heard


def test_floats_are_heard_to_their_end(tmp_path: Path) -> None:
    wave = np.zeros(480_000, dtype=np.float32) + 0.1 * np.sin(np.arange(480_000) / 9).astype(np.float32)
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, 16_000, subtype="FLOAT")
    assert _heard(path) is None
    soundfile.write(path, wave * 30_000, 16_000, subtype="FLOAT")
    assert _heard(path) == "beyond full scale"
    wave[-5] = np.nan
    soundfile.write(path, wave, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        _heard(path)
