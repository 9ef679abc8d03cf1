"""Pitch and tempo: each moves what it should, by how much it should, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.audio.decoding import RATE_HZ
from ambivox.models.audio.perturbation import perturb, shift_pitch, stretch


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    """A sine."""
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def pitch_hz(samples: np.ndarray) -> float:
    """The strongest frequency of the middle, refined by a parabola."""
    middle = samples[len(samples) // 4 : -len(samples) // 4] * np.hanning(
        len(samples[len(samples) // 4 : -len(samples) // 4])
    )
    size = np.log(np.abs(np.fft.rfft(middle, 8 * len(middle))) + 1e-12)
    at = int(size.argmax())
    return at * RATE_HZ / (8 * len(middle))


@pytest.mark.parametrize("rate", [0.95, 1.0, 1.05])
def test_tempo_moves_the_length_and_not_the_pitch(rate: float) -> None:
    changed = stretch(tone(440), rate)
    assert len(changed) == round(RATE_HZ / rate)
    assert abs(pitch_hz(changed) - 440) < 2
    assert 0.8 < np.sqrt(np.mean(changed[2000:-2000] ** 2)) / np.sqrt(0.125) < 1.1


@pytest.mark.parametrize("semitones", [-1.0, 0.4, 1.0])
def test_pitch_moves_by_semitones_and_not_the_length(semitones: float) -> None:
    changed = shift_pitch(tone(440), semitones)
    assert len(changed) == RATE_HZ
    assert abs(pitch_hz(changed) - 440 * 2 ** (semitones / 12)) < 3


def test_a_rate_of_one_gives_the_recording_back() -> None:
    wave = (0.1 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32)
    np.testing.assert_allclose(stretch(wave, 1.0), wave, atol=2e-4)


def test_the_key_decides() -> None:
    np.testing.assert_array_equal(perturb(tone(300), "a~1"), perturb(tone(300), "a~1"))
    assert not np.array_equal(perturb(tone(300), "a~1")[:9000], perturb(tone(300), "a~2")[:9000])
    assert perturb(np.zeros(400, np.float32), "short").dtype == np.float32
