"""Small changes of a recording that keep its emotion: pitch by up to a semitone, tempo by up to 5 %.

As in the paper's training (arXiv 2601.14620). A phase vocoder changes the tempo (Flanagan and Golden 1966; Laroche and
Dolson 1999): it reads frames faster or slower, and continues the phase of each bin at the bin's own frequency. A
change of tempo followed by resampling to the original length changes the pitch.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ambivox.models.audio.decoding import RATE_HZ

FRAME = 1_024
HOP = 256
Samples = NDArray[np.float32]


def perturb(samples: Samples, key: str) -> Samples:
    """Change the pitch or the tempo by a random amount that depends on the key alone.

    Args:
        samples: Mono audio at RATE_HZ.
        key: Decides which change and how much; the same key gives the same change.

    Returns:
        The changed recording.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))
    if rng.random() < 0.5:
        return shift_pitch(samples, rng.uniform(-1, 1))
    return stretch(samples, rng.uniform(0.95, 1.05))


def shift_pitch(samples: Samples, semitones: float) -> Samples:
    """Raise or lower the pitch; the length stays the same.

    Args:
        samples: Mono audio at RATE_HZ.
        semitones: How much; negative lowers the pitch.

    Returns:
        The changed recording, as many samples as before.
    """
    import soxr

    factor = 2.0 ** (semitones / 12)
    stretched = stretch(samples, 1 / factor)
    shifted: Samples = soxr.resample(stretched, RATE_HZ * factor, RATE_HZ).astype(np.float32)
    return np.pad(shifted[: len(samples)], (0, max(0, len(samples) - len(shifted))))


def stretch(samples: Samples, rate: float) -> Samples:
    """Change the tempo; the pitch stays the same.

    Args:
        samples: Mono audio at RATE_HZ.
        rate: The new tempo relative to the old one; above 1 is faster.

    Returns:
        The changed recording, ``len(samples) / rate`` samples, rounded.
    """
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
    padded = np.pad(samples, (FRAME // 2, FRAME // 2 + 2 * HOP))
    frames_TL = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    spectrum_TF = scipy.fft.rfft(frames_TL * window, axis=1)
    position_S = np.arange(0, len(spectrum_TF) - 1, rate)
    before_S = position_S.astype(np.int64)
    fraction_S1 = (position_S - before_S)[:, None]
    magnitude_TF, angle_TF = np.abs(spectrum_TF), np.angle(spectrum_TF)
    magnitude_SF = (1 - fraction_S1) * magnitude_TF[before_S] + fraction_S1 * magnitude_TF[before_S + 1]
    # The phase of a bin advances by that of its centre frequency over a hop, plus the recording's deviation from it.
    advance_F = 2 * np.pi * HOP * np.arange(FRAME // 2 + 1) / FRAME
    deviation_SF = angle_TF[before_S + 1] - angle_TF[before_S] - advance_F
    step_SF = advance_F + deviation_SF - 2 * np.pi * np.round(deviation_SF / (2 * np.pi))
    angle_SF = angle_TF[0] + np.concatenate([np.zeros((1, len(advance_F))), np.cumsum(step_SF[:-1], axis=0)])
    frames_SL = scipy.fft.irfft(magnitude_SF * np.exp(1j * angle_SF), n=FRAME, axis=1) * window
    return _overlap_add(frames_SL, window, round(len(samples) / rate))


def _overlap_add(frames_SL: NDArray[np.floating[Any]], window: Samples, length: int) -> Samples:
    """Add frames at distances of HOP, and divide by the sum of their squared windows."""
    total = np.zeros((len(frames_SL) - 1) * HOP + FRAME)
    weight = np.zeros_like(total)
    for start, frame in enumerate(frames_SL):
        total[start * HOP : start * HOP + FRAME] += frame
        weight[start * HOP : start * HOP + FRAME] += np.square(window)
    joined = (total / np.maximum(weight, 1e-3))[FRAME // 2 :]
    return np.pad(joined[:length], (0, max(0, length - len(joined)))).astype(np.float32)
