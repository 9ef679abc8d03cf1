"""The tower's statistics equal those computed with numpy, and a classifier written into it gives the tower's logits."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from ambivox.models.embedded_alm.architecture import Shape, build_model
from ambivox.models.embedded_alm.audio_tower import encode, mean_logits
from ambivox.models.embedded_alm.mel_spectrograms import MARGIN_FRAMES, log_mel_spectrograms, pad_batch
from ambivox.models.embedded_alm.spectral_statistics import (
    band_weights,
    compute_statistics,
    frame_head,
    write_classifier,
    write_statistics,
)
from ambivox.models.embedded_alm.tokenizer import build_tokenizer
from ambivox.models.embedded_alm.tower_layout import TowerLayout, tower_width_for

BANDS, LABELS, MEL_BANDS = 8, 3, 128


@pytest.fixture(scope="module")
def tower() -> torch.nn.Module:
    """A tower with the weights of the statistics."""
    torch.manual_seed(3)
    width = tower_width_for(BANDS, LABELS, 2)
    shape = Shape(tower_width=width, tower_layers=2, tower_heads=2, tower_inner=32, text_width=64)
    audio_tower = build_model(shape, build_tokenizer(("a b", "c d"), ["x"])).model.audio_tower.eval()
    write_statistics(audio_tower, TowerLayout(BANDS, LABELS))
    return audio_tower


@pytest.fixture(scope="module")
def mels(tmp_path_factory: pytest.TempPathFactory):
    """Spectrograms of three harmonic tones of different length, pitch and loudness contour."""
    folder = tmp_path_factory.mktemp("clips")
    names = []
    for index, seconds in enumerate((0.8, 1.7, 2.6)):
        t = np.arange(int(16_000 * seconds)) / 16_000
        envelope = 0.02 + 0.4 * np.maximum(0, np.sin(2 * np.pi * (1.1 + index) * t)) ** 2
        voice = sum(np.sin(2 * np.pi * (110 + 70 * index) * k * t) / k for k in range(1, 20))
        names.append(str(folder / f"{index}.wav"))
        soundfile.write(names[-1], (envelope * voice * 0.3).astype(np.float32), 16_000)
    return log_mel_spectrograms(names, MEL_BANDS)


def expected_statistics(spectrogram: np.ndarray, frames: int) -> np.ndarray:
    """The four statistics by their definition, 4 B."""
    x = spectrogram.T @ band_weights(BANDS, MEL_BANDS).T
    change = np.roll(x, -2, 0) - np.roll(x, 2, 0)
    x, change = x[:frames][::2], change[:frames][::2]
    loudness = x.mean(1)
    weights = np.exp(4 * (loudness - loudness.max()))
    weights /= weights.sum()
    loud_mean = weights @ x
    deviation = weights @ (loud_mean + np.abs(x - loud_mean))
    return np.concatenate([x.mean(0), loud_mean, deviation, weights @ np.abs(change)])


def test_the_towers_statistics_equal_numpys(tower: torch.nn.Module, mels) -> None:
    layout = TowerLayout(BANDS, LABELS)
    spectrograms = [mels[index] for index in range(len(mels))]
    batch, frames = pad_batch(spectrograms), torch.from_numpy(mels.frames_N)
    computed = compute_statistics(tower, layout, batch, frames).numpy()
    for spectrogram, count, statistics in zip(spectrograms, mels.frames_N, computed, strict=True):
        assert spectrogram.shape[1] == count + MARGIN_FRAMES
        difference = (statistics - expected_statistics(spectrogram, int(count))).reshape(4, BANDS)
        # LayerNorm subtracts the frame's mean from all bands alike; GELU and the first frame add small errors.
        common = np.broadcast_to(difference.mean(1, keepdims=True), difference.shape)
        np.testing.assert_allclose(difference, common, atol=0.08)


def test_a_batch_gives_the_statistics_of_single_recordings(tower: torch.nn.Module, mels) -> None:
    layout = TowerLayout(BANDS, LABELS)
    spectrograms = [mels[index] for index in range(len(mels))]
    together = compute_statistics(tower, layout, pad_batch(spectrograms), torch.from_numpy(mels.frames_N))
    for index, spectrogram in enumerate(spectrograms):
        frames = torch.from_numpy(mels.frames_N[[index]])
        alone = compute_statistics(tower, layout, pad_batch([spectrogram]), frames)
        torch.testing.assert_close(alone[0], together[index], atol=1e-4, rtol=0)


def test_a_written_classifier_gives_the_towers_logits(tower: torch.nn.Module, mels) -> None:
    layout = TowerLayout(BANDS, LABELS)
    torch.manual_seed(5)
    fc1, fc2 = torch.nn.Linear(4 * BANDS, 16), torch.nn.Linear(16, LABELS)
    write_classifier(tower, layout, (fc1.weight, fc1.bias), (fc2.weight, fc2.bias))
    batch = pad_batch([mels[index] for index in range(len(mels))])
    frames = torch.from_numpy(mels.frames_N)
    with torch.no_grad():
        statistics = compute_statistics(tower, layout, batch, frames).clone()
        expected = fc2(torch.nn.functional.gelu(fc1(statistics)))
        logits = mean_logits(*encode(tower, batch, frames), *frame_head(tower, layout))
    torch.testing.assert_close(
        logits - logits.mean(1, True), expected - expected.mean(1, True), atol=0.02, rtol=0
    )


@pytest.mark.parametrize("bands", [1, 8, 32, 64])
def test_bands_cover_the_spectrogram_once(bands: int) -> None:
    weights = band_weights(bands, MEL_BANDS)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert ((weights > 0).sum(0) <= 1).all()
    assert (weights > 0).sum() >= MEL_BANDS - 1
