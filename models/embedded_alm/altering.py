"""Few clips made to go far: other voices saying the same, from one spectrogram.

Stretching in time, shifting bands (as another vocal tract would) and loudness; a clip's votes stay its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Altering:
    """How far at most; every clip is altered by something between nothing and that, either way."""

    stretch: float = 0.08
    shift_bands: float = 2.0  # of 128
    loudness: float = 0.05  # in the front end's units: log10 of power over 4, so 2 dB


def altered(clip: NDArray[np.float32], options: Altering, rng: np.random.Generator) -> NDArray[np.float32]:
    """Another spectrogram, bands x about as many frames."""
    bands, frames = clip.shape
    speed = 1 + rng.uniform(-options.stretch, options.stretch)
    clip = _between(clip, np.minimum(np.arange(round(frames / speed)) * speed, frames - 1))
    shift = rng.uniform(-options.shift_bands, options.shift_bands)
    clip = _between(clip.T, np.clip(np.arange(bands) - shift, 0, bands - 1)).T
    return np.ascontiguousarray(clip + np.float32(rng.uniform(-options.loudness, options.loudness)))


def _between(rows_by_N: NDArray[np.float32], at_M: NDArray[np.float64]) -> NDArray[np.float32]:
    """Columns at fractional places, linearly interpolated."""
    low = at_M.astype(np.int64)
    share = (at_M - low).astype(np.float32)
    high = np.minimum(low + 1, rows_by_N.shape[1] - 1)
    mixed: NDArray[np.float32] = rows_by_N[:, low] * (1 - share) + rows_by_N[:, high] * share
    return mixed
