"""The 72 acoustic features, against separate calls of librosa, for single recordings and several at once."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest

from ambivox.models.augmentation.acoustic_features import ACOUSTIC_FEATURES, acoustic_features
from ambivox.models.augmentation.framing import BLOCK_FRAMES, HOP_SAMPLES, RATE_HZ


def librosa_features(samples: np.ndarray) -> np.ndarray:
    """As the paper computes them: one librosa call per feature, each with its own Fourier transform."""
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
    """Harmonics with vibrato, noise and silence."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * (pitch_hz * time + 2 * np.sin(2 * np.pi * 5 * time))
    sound = sum(np.sin(k * phase) / k for k in range(1, 25)) * np.clip(np.sin(2 * np.pi * 1.5 * time), 0, 1)
    return (0.1 * sound + 0.003 * random.standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_separate_librosa_calls(seed: int) -> None:
    samples = voice(seed, seconds=0.9 + 0.4 * seed, pitch_hz=110 + 37 * seed)
    np.testing.assert_allclose(
        acoustic_features([samples])[0], librosa_features(samples), rtol=2e-4, atol=2e-3
    )


@pytest.mark.parametrize(
    "samples",
    [np.zeros(RATE_HZ, np.float32), np.ones(300, np.float32) * 0.1, voice(9)[:401], np.zeros(1, np.float32)],
    ids=["silence", "constant", "short", "one sample"],
)
def test_degenerate_recordings_give_finite_numbers_equal_to_librosas(samples: np.ndarray) -> None:
    (features,) = acoustic_features([samples])
    assert features.shape == (ACOUSTIC_FEATURES,)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features, librosa_features(samples), rtol=2e-4, atol=2e-3)


LONG = (BLOCK_FRAMES + 100) * HOP_SAMPLES / RATE_HZ


def test_a_recording_in_several_chunks_equals_librosas() -> None:
    samples = voice(5, seconds=LONG)
    np.testing.assert_allclose(
        acoustic_features([samples])[0], librosa_features(samples), rtol=2e-4, atol=2e-3
    )


def test_other_recordings_in_the_call_change_no_bit() -> None:
    degenerate = [np.zeros(RATE_HZ, np.float32), np.ones(300, np.float32), np.zeros(1, np.float32)]
    lengths = [0.3, 1.7, 2.9, 0.02, 4.1, LONG, 0.5, 11.0, 3.3, 9.9]
    voices = [voice(seed, seconds, 90 + 17 * seed) * 10 ** (seed % 3) for seed, seconds in enumerate(lengths)]
    recordings = [*degenerate, *voices]
    alone = np.concatenate([acoustic_features([recording]) for recording in recordings])
    np.testing.assert_array_equal(acoustic_features(recordings), alone)
    random = np.random.default_rng(0)
    for _ in range(2):
        order = random.permutation(len(recordings))
        np.testing.assert_array_equal(acoustic_features([recordings[row] for row in order]), alone[order])


def test_no_recordings_give_no_rows() -> None:
    assert acoustic_features([]).shape == (0, ACOUSTIC_FEATURES)


def test_a_long_recording_takes_a_few_times_its_own_memory() -> None:
    samples = np.random.default_rng(0).standard_normal(300 * RATE_HZ).astype(np.float32)
    tracemalloc.start()
    try:
        acoustic_features([samples])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Noise is the worst case, with most spectral peaks. Complete spectra, magnitudes and frames would need 8 times more.
    assert peak < 6 * samples.nbytes
