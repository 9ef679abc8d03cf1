"""Chroma features after Ellis: tuning of a recording relative to A = 440 Hz, and energy in the twelve pitch classes.

The results equal those of librosa's ``estimate_tuning`` and ``chroma_stft`` up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ambivox.models.augmentation.framing import BINS, FRAME_SAMPLES, RATE_HZ, Floats, Frames, Rows

PITCH_CLASSES = 12
# Bins from 150 to 4,000 Hz.
_PEAK_BINS = (-(-150 * FRAME_SAMPLES // RATE_HZ), -(-4_000 * FRAME_SAMPLES // RATE_HZ))
_TUNING_STEPS = 100  # of a hundredth of a semitone
_TUNINGS = np.linspace(-0.5, 0.5, _TUNING_STEPS + 1)


@dataclass(frozen=True)
class SpectralPeaks:
    """P local maxima of power spectra.

    Attributes:
        row_P: frame of each peak.
        bin_P: interpolated frequency, in bins.
        power_P: interpolated power.
    """

    row_P: Rows
    bin_P: Floats
    power_P: Frames


def spectral_peaks(power_TF: Frames, first_row: int) -> SpectralPeaks:
    """Local maxima from 150 to 4,000 Hz above a tenth of the frame's maximum, interpolated by a parabola.

    Args:
        power_TF: power spectra, frames by BINS.
        first_row: the row that the first frame is counted as.
    """
    maximum_T1 = power_TF.max(axis=1, keepdims=True)
    low, high = _PEAK_BINS
    candidate_P = np.flatnonzero(power_TF[:, :high] > np.float32(0.1) * maximum_T1)
    # ``high`` is a power of two: shifting and masking separate rows and bins faster than a division.
    row_P, bin_P = candidate_P >> (high.bit_length() - 1), candidate_P & (high - 1)
    index_P, flat = row_P * BINS + bin_P, power_TF.reshape(-1)
    power_P = flat[index_P]
    is_peak_P = (bin_P >= low) & (power_P > flat[index_P - 1]) & (power_P >= flat[index_P + 1])
    index_P, row_P, bin_P, power_P = (values[is_peak_P] for values in (index_P, row_P, bin_P, power_P))
    before_P, after_P = flat[index_P - 1], flat[index_P + 1]
    curvature_P, slope_P = after_P + before_P - 2 * power_P, (after_P - before_P) / 2
    is_between_P = np.abs(slope_P) < np.abs(curvature_P)
    shift_P = np.where(is_between_P, -slope_P / np.where(is_between_P, curvature_P, 1), 0)
    return SpectralPeaks(
        row_P + first_row,
        (bin_P + shift_P).astype(np.float64),
        power_P + np.float32(0.5) * slope_P * shift_P,
    )


def estimate_tunings(peaks: Sequence[SpectralPeaks], start_N: Rows) -> list[float]:
    """Deviation of each recording from A = 440 Hz: the most frequent one among peaks of at least median power.

    Args:
        peaks: spectral peaks, with ascending rows.
        start_N: the first row of each recording.

    Returns:
        Semitones in [-0.5, 0.5), in steps of 0.01; 0 for a recording without peaks.
    """
    row_P = np.concatenate([each.row_P for each in peaks])
    bin_P = np.concatenate([each.bin_P for each in peaks])
    power_P = np.concatenate([each.power_P for each in peaks])
    first_N = np.searchsorted(row_P, start_N)
    last_N = np.append(first_N[1:], len(row_P))
    median_N = [
        _median(power_P[first:last]) if last > first else np.float32(0)
        for first, last in zip(first_N, last_N, strict=True)
    ]
    is_strong_P = power_P >= np.repeat(np.array(median_N), last_N - first_N)
    recording_P = np.repeat(np.arange(len(start_N)), last_N - first_N)[is_strong_P]
    semitones_P = 12 * np.log2(bin_P[is_strong_P] * (RATE_HZ / FRAME_SAMPLES / 27.5))
    deviation_P = semitones_P - np.floor(semitones_P)
    deviation_P[deviation_P >= 0.5] -= 1
    cell_P = recording_P * _TUNING_STEPS + _tuning_step(deviation_P)
    histogram = np.bincount(cell_P, minlength=len(start_N) * _TUNING_STEPS)
    mode_N = histogram.reshape(-1, _TUNING_STEPS).argmax(axis=1)
    return [
        round(float(_TUNINGS[step]), 6) if last > first else 0.0
        for step, first, last in zip(mode_N, first_N, last_N, strict=True)
    ]


def pitch_class_energy(power_TF: Frames, tuning: float) -> Frames:
    """Energy in the pitch classes of each frame.

    Args:
        power_TF: power spectra, frames by BINS.
        tuning: deviation from A = 440 Hz in semitones.

    Returns:
        ``chroma_TC``, frames by PITCH_CLASSES.
    """
    chroma_TC: Frames = power_TF @ _chroma_filters(tuning).T
    return chroma_TC


def normalise_by_maximum(chroma_TC: Frames) -> Frames:
    """Each frame divided by its largest value; silence stays 0."""
    maximum_T1 = chroma_TC.max(axis=1, keepdims=True)
    return chroma_TC / np.where(maximum_T1 < np.finfo(np.float32).tiny, 1, maximum_T1)


def _tuning_step(deviation_P: Floats) -> Rows:
    """Index of the interval of ``_TUNINGS`` around each deviation, with the rounding of np.histogram."""
    step_P = np.minimum(((deviation_P + 0.5) * _TUNING_STEPS).astype(np.int64), _TUNING_STEPS - 1)
    step_P -= deviation_P < _TUNINGS[step_P]
    step_P += deviation_P >= _TUNINGS[step_P + 1]
    return step_P


def _median(values: NDArray[np.float32]) -> np.float32:
    """np.median of a vector, faster."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    partitioned = np.partition(values, (low, high))
    return np.float32(0.5) * (partitioned[low] + partitioned[high])


@lru_cache(maxsize=128)
def _chroma_filters(tuning: float) -> Frames:
    """Ellis's filters, (PITCH_CLASSES, BINS): a Gaussian around each pitch class, with more weight at middle octaves."""
    hz = np.arange(1, FRAME_SAMPLES) * (RATE_HZ / FRAME_SAMPLES)
    pitch = 12 * np.log2(hz / (27.5 * 2.0 ** (tuning / 12)))
    pitch = np.concatenate([[pitch[0] - 18], pitch])
    width = np.concatenate([np.maximum(np.diff(pitch), 1), [1]])
    distance = np.mod(pitch[None, :] - np.arange(12)[:, None] + 6, 12) - 6
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.linalg.norm(weights, axis=0)
    weights *= np.exp(-0.5 * ((pitch / 12 - 5) / 2) ** 2)
    return np.ascontiguousarray(np.roll(weights, -3, axis=0)[:, :BINS], dtype=np.float32)
