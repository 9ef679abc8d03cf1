"""Small changes of a recording that leave its emotion alone: pitch by up to a semitone, tempo by up to 5 %.

As in the paper's training (arXiv 2601.14620). Tempo is changed by a phase vocoder (Flanagan and Golden 1966;
Laroche and Dolson 1999): frames are read faster or slower, and each bin's phase goes on at its own frequency.
Pitch is changed by a change of tempo and a change of sample rate that undoes it.
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
    """One of the two changes, by an amount that ``key`` decides: the same key, the same change."""
    random = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))
    if random.random() < 0.5:
        return shift_pitch(samples, random.uniform(-1, 1))
    return stretch(samples, random.uniform(0.95, 1.05))


def shift_pitch(samples: Samples, semitones: float) -> Samples:
    """The same recording, higher (or lower) by ``semitones``; its length stays."""
    import soxr

    factor = 2.0 ** (semitones / 12)
    longer = stretch(samples, 1 / factor)
    shifted: Samples = soxr.resample(longer, RATE_HZ * factor, RATE_HZ).astype(np.float32)
    return np.pad(shifted[: len(samples)], (0, max(0, len(samples) - len(shifted))))


def stretch(samples: Samples, rate: float) -> Samples:
    """The same recording at ``rate`` times the tempo; its pitch stays. Length: samples / rate, rounded."""
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
    padded = np.pad(samples, (FRAME // 2, FRAME // 2 + 2 * HOP))
    frames_TL = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    spectrum_TF = scipy.fft.rfft(frames_TL * window, axis=1)
    place_S = np.arange(0, len(spectrum_TF) - 1, rate)
    before_S = place_S.astype(np.int64)
    share_S1 = (place_S - before_S)[:, None]
    size_TF, angle_TF = np.abs(spectrum_TF), np.angle(spectrum_TF)
    size_SF = (1 - share_S1) * size_TF[before_S] + share_S1 * size_TF[before_S + 1]
    # Each bin turns by its centre frequency's advance over a hop, plus how far the recording deviates from it.
    advance_F = 2 * np.pi * HOP * np.arange(FRAME // 2 + 1) / FRAME
    deviation_SF = angle_TF[before_S + 1] - angle_TF[before_S] - advance_F
    turn_SF = advance_F + deviation_SF - 2 * np.pi * np.round(deviation_SF / (2 * np.pi))
    angle_SF = angle_TF[0] + np.concatenate([np.zeros((1, len(advance_F))), np.cumsum(turn_SF[:-1], axis=0)])
    made_SL = scipy.fft.irfft(size_SF * np.exp(1j * angle_SF), n=FRAME, axis=1) * window
    return _overlap_add(made_SL, window, round(len(samples) / rate))


def _overlap_add(frames_SL: NDArray[np.floating[Any]], window: Samples, length: int) -> Samples:
    """Sum frames HOP apart, divided by what their windows sum to."""
    total = np.zeros((len(frames_SL) - 1) * HOP + FRAME)
    weight = np.zeros_like(total)
    for start, frame in enumerate(frames_SL):
        total[start * HOP : start * HOP + FRAME] += frame
        weight[start * HOP : start * HOP + FRAME] += np.square(window)
    whole = (total / np.maximum(weight, 1e-3))[FRAME // 2 :]
    return np.pad(whole[:length], (0, max(0, length - len(whole)))).astype(np.float32)
