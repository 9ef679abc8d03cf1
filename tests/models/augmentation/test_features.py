"""The 82 features: the sound's against librosa's own separate calls, the words' against a count by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from models.augmentation.features import RATE_HZ, SOUND_FEATURES, sound_features, word_features


def librosa_features(samples: np.ndarray) -> np.ndarray:
    """The paper's way: one librosa call a feature, each with a Fourier transform of its own."""
    librosa = pytest.importorskip("librosa")
    sound = {"y": samples, "sr": RATE_HZ}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        over_time = np.concatenate(
            [
                librosa.feature.mfcc(**sound, n_mfcc=13),
                librosa.feature.chroma_stft(**sound),
                librosa.feature.spectral_contrast(**sound),
                librosa.feature.zero_crossing_rate(samples),
                librosa.feature.spectral_rolloff(**sound),
                librosa.feature.spectral_centroid(**sound),
                librosa.feature.rms(y=samples),
            ]
        )
    return np.concatenate([over_time.mean(axis=1), over_time.std(axis=1)])


def voice(seed: int, seconds: float = 1.7, pitch_hz: float = 173.0) -> np.ndarray:
    """Harmonics with vibrato and noise: something with partials, valleys and silence."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * (pitch_hz * time + 2 * np.sin(2 * np.pi * 5 * time))
    sound = sum(np.sin(k * phase) / k for k in range(1, 25)) * np.clip(np.sin(2 * np.pi * 1.5 * time), 0, 1)
    return (0.1 * sound + 0.003 * random.standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_separate_librosa_calls(seed: int) -> None:
    samples = voice(seed, seconds=0.9 + 0.4 * seed, pitch_hz=110 + 37 * seed)
    np.testing.assert_allclose(sound_features(samples), librosa_features(samples), rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(RATE_HZ, np.float32), np.ones(300, np.float32) * 0.1, voice(9)[:401], np.zeros(1, np.float32)],
    ids=["silence", "constant", "short", "one sample"],
)
def test_odd_sounds_give_finite_numbers_like_librosas(samples: np.ndarray) -> None:
    found = sound_features(samples)
    assert found.shape == (SOUND_FEATURES,)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, librosa_features(samples), rtol=2e-4, atol=2e-3)


def test_words_by_hand() -> None:
    found = word_features("Oh no, WHY?")
    # 11 characters, 3 words; vowels: O o (2); consonants: h n W H Y (5); word lengths 2, 3, 4; capitals O W H Y.
    np.testing.assert_allclose(found, [11, 3, 0, 1, 0, 1, 2 / 11, 5 / 11, 3, 4 / 11])


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_words_are_zeros(nothing: str | None) -> None:
    assert not word_features(nothing).any()
