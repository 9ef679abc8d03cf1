"""Pitch: how far a recording is off A = 440 Hz, and the strength of the twelve pitch classes (Ellis's chroma)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ambivox.models.augmentation.frames import BINS, FRAME, RATE_HZ, Floats, Frames, Rows

CHROMA = 12
# Bins from 150 to 4,000 Hz, and steps of a hundredth of a semitone.
_TUNED_BINS = (-(-150 * FRAME // RATE_HZ), -(-4_000 * FRAME // RATE_HZ))
_STEPS = 100
_TUNINGS = np.linspace(-0.5, 0.5, _STEPS + 1)


@dataclass(frozen=True)
class Partials:
    """P local maxima of the spectrum: the frame each was found in, its frequency in bins, and its strength."""

    row_P: Rows
    bin_P: Floats
    strength_P: Frames


def partials(power_TF: Frames, first_row: int) -> Partials:
    """Local maxima from 150 to 4,000 Hz above a tenth of the frame's loudest bin, refined by a parabola.

    ``first_row`` is what the first frame is counted as.
    """
    loudest_T1 = power_TF.max(axis=1, keepdims=True)
    low, high = _TUNED_BINS
    # The bins end at a power of two, so rows and bins are told apart by shifting, which is faster than dividing.
    loud_P = np.flatnonzero(power_TF[:, :high] > np.float32(0.1) * loudest_T1)
    row_P, bin_P = loud_P >> (high.bit_length() - 1), loud_P & (high - 1)
    place_P, flat = row_P * BINS + bin_P, power_TF.reshape(-1)
    at_P = flat[place_P]
    maximum_P = (bin_P >= low) & (at_P > flat[place_P - 1]) & (at_P >= flat[place_P + 1])
    place_P, row_P, bin_P, at_P = (values[maximum_P] for values in (place_P, row_P, bin_P, at_P))
    before_P, after_P = flat[place_P - 1], flat[place_P + 1]
    curvature_P, slope_P = after_P + before_P - 2 * at_P, (after_P - before_P) / 2
    inside_P = np.abs(slope_P) < np.abs(curvature_P)
    shift_P = np.where(inside_P, -slope_P / np.where(inside_P, curvature_P, 1), 0)
    return Partials(
        row_P + first_row,
        (bin_P + shift_P).astype(np.float64),
        at_P + np.float32(0.5) * slope_P * shift_P,
    )


def tunings(found: Sequence[Partials], start_N: Rows) -> list[float]:
    """By how many semitones, in [-0.5, 0.5), each recording's partials lie off A = 440 Hz (in steps of 0.01).

    Of the partials at least as strong as the recording's median, the commonest deviation counts; 0 without any.

    Args:
        found: partials, frames in ascending order.
        start_N: the first frame of each recording.
    """
    row_P = np.concatenate([one.row_P for one in found])
    bin_P = np.concatenate([one.bin_P for one in found])
    strength_P = np.concatenate([one.strength_P for one in found])
    first_N = np.searchsorted(row_P, start_N)
    last_N = np.append(first_N[1:], len(row_P))
    median_N = [
        _median(strength_P[first:last]) if last > first else np.float32(0)
        for first, last in zip(first_N, last_N, strict=True)
    ]
    strong_P = strength_P >= np.repeat(np.array(median_N), last_N - first_N)
    recording_P = np.repeat(np.arange(len(start_N)), last_N - first_N)[strong_P]
    semitones_P = 12 * np.log2(bin_P[strong_P] * (RATE_HZ / FRAME / 27.5))
    deviation_P = semitones_P - np.floor(semitones_P)
    deviation_P[deviation_P >= 0.5] -= 1
    counted = np.bincount(recording_P * _STEPS + _step(deviation_P), minlength=len(start_N) * _STEPS)
    commonest_N = counted.reshape(-1, _STEPS).argmax(axis=1)
    return [
        round(float(_TUNINGS[step]), 6) if last > first else 0.0
        for step, first, last in zip(commonest_N, first_N, last_N, strict=True)
    ]


def pitch_classes(power_TF: Frames, tuning: float) -> Frames:
    """``chroma_TC``: energy in each of CHROMA pitch classes."""
    chroma_TC: Frames = power_TF @ _chroma_filters(tuning).T
    return chroma_TC


def of_strongest(chroma_TC: Frames) -> Frames:
    """Each frame's classes as shares of its strongest."""
    loudest_T1 = chroma_TC.max(axis=1, keepdims=True)
    return chroma_TC / np.where(loudest_T1 < np.finfo(np.float32).tiny, 1, loudest_T1)


def _step(deviation_P: Floats) -> Rows:
    """The step of ``_TUNINGS`` that each lies in, as np.histogram counts with these edges."""
    step_P = np.minimum(((deviation_P + 0.5) * _STEPS).astype(np.int64), _STEPS - 1)
    step_P -= deviation_P < _TUNINGS[step_P]
    step_P += deviation_P >= _TUNINGS[step_P + 1]
    return step_P


def _median(values: NDArray[np.float32]) -> np.float32:
    """As np.median of one dimension, without what that does for others."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    parts = np.partition(values, (low, high))
    return np.float32(0.5) * (parts[low] + parts[high])


@lru_cache(maxsize=128)
def _chroma_filters(tuning: float) -> Frames:
    """Ellis's chroma filters, (CHROMA, F): a Gaussian about each pitch class, weighted to the middle octaves."""
    hz = np.arange(1, FRAME) * (RATE_HZ / FRAME)
    pitch = 12 * np.log2(hz / (27.5 * 2.0 ** (tuning / 12)))
    pitch = np.concatenate([[pitch[0] - 18], pitch])
    width = np.concatenate([np.maximum(np.diff(pitch), 1), [1]])
    distance = np.mod(pitch[None, :] - np.arange(12)[:, None] + 6, 12) - 6
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.linalg.norm(weights, axis=0)
    weights *= np.exp(-0.5 * ((pitch / 12 - 5) / 2) ** 2)
    return np.ascontiguousarray(np.roll(weights, -3, axis=0)[:, :BINS], dtype=np.float32)
