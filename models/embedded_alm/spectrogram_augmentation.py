"""Data augmentation on log-mel spectrograms: time stretch, shift along the mel axis, and gain.

Shifting the bands approximates another vocal-tract length (Jaitly and Hinton, ICML workshop on deep learning for
audio, 2013). An augmented copy keeps the votes of its original.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SpectrogramAugmentation:
    """Largest changes; each is drawn uniformly from minus to plus its limit.

    Attributes:
        stretch: change of speed, as a share of the original speed.
        shift_bands: shift along the mel axis, in bands.
        loudness: gain in log-mel units, which are log10(power) / 4: 0.05 is 2 dB.
    """

    stretch: float = 0.08
    shift_bands: float = 2.0
    loudness: float = 0.05


def augment_spectrogram(
    spectrogram_MT: NDArray[np.float32], limits: SpectrogramAugmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A randomly changed copy of a spectrogram.

    Args:
        spectrogram_MT: log-mels, M bands by T frames.
        limits: the largest changes.
        rng: the source of randomness.

    Returns:
        Log-mels with M bands; the number of frames differs from T by the time stretch.
    """
    bands, frames = spectrogram_MT.shape
    speed = 1 + rng.uniform(-limits.stretch, limits.stretch)
    positions = np.minimum(np.arange(round(frames / speed)) * speed, frames - 1)
    stretched_MT = _interpolate_columns(spectrogram_MT, positions)
    shift = rng.uniform(-limits.shift_bands, limits.shift_bands)
    shifted_MT = _interpolate_columns(stretched_MT.T, np.clip(np.arange(bands) - shift, 0, bands - 1)).T
    return np.ascontiguousarray(shifted_MT + np.float32(rng.uniform(-limits.loudness, limits.loudness)))


def _interpolate_columns(values: NDArray[np.float32], positions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Columns at fractional positions, by linear interpolation."""
    low = positions.astype(np.int64)
    fraction = (positions - low).astype(np.float32)
    high = np.minimum(low + 1, values.shape[1] - 1)
    interpolated: NDArray[np.float32] = values[:, low] * (1 - fraction) + values[:, high] * fraction
    return interpolated
