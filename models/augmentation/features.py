"""The paper's 82 features of an utterance: 72 of the sound, 10 of the words (arXiv 2601.14620, DiME-Aug).

Sound: mean and standard deviation over time of 13 MFCCs, 12 chroma, 7 spectral-contrast bands, zero-crossing
rate, roll-off, centroid and RMS, as librosa 0.11 defines them by default at 16 kHz (frames of 2,048, hop 512).
All of them come from one short-time Fourier transform, which is computed once; librosa's functions compute it
once each. Formulas: Slaney's mel scale and filters; Ellis's chroma with the recording's own tuning; contrast
after Jiang et al. (ICME 2002).
"""

from __future__ import annotations

import itertools
import threading
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

RATE_HZ = 16_000
FRAME = 2_048
HOP = 512
# Transforms that are made at once: their results stay in the cache.
_BLOCK_FRAMES = 64
# Roll-off is looked for in blocks of bins first, then in the block.
_ROLLOFF_BINS = 32
_MEL_GROUP = 16
# Tuning: bins from 150 to 4,000 Hz, and steps of a hundredth of a semitone.
_TUNED_BINS = (-(-150 * FRAME // RATE_HZ), -(-4_000 * FRAME // RATE_HZ))
_TUNINGS = np.linspace(-0.5, 0.5, 101)
MEL_BANDS, MFCCS, CHROMA, CONTRAST_OCTAVES = 128, 13, 12, 6
SOUND_FEATURES = 2 * (MFCCS + CHROMA + CONTRAST_OCTAVES + 1 + 4)
WORD_FEATURES = 10
# Part of every cache key: raise it when a formula below changes.
VERSION = "2"

Floats = NDArray[np.float64]
_Frames = NDArray[np.float32]


def sound_features(samples: NDArray[np.float32]) -> Floats:
    """The 72 numbers of one recording at RATE_HZ: 36 means over time, then 36 standard deviations.

    Args:
        samples: mono, float32, one sample or more.
    """
    padded = _padded(samples)
    count = 1 + len(samples) // HOP
    frames_TL = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:count]
    windowed_TL = np.multiply(frames_TL, _window(), out=_scratch("windowed", frames_TL.shape))
    power_TF = _scratch("power", (count, FRAME // 2 + 1))
    for start in range(0, count, _BLOCK_FRAMES):
        block = slice(start, start + _BLOCK_FRAMES)
        spectrum = scipy.fft.rfft(windowed_TL[block], axis=1, overwrite_x=True)
        np.square(spectrum.real, out=power_TF[block])
        power_TF[block] += np.square(spectrum.imag)
    magnitude_TF: _Frames = np.sqrt(power_TF, out=_scratch("magnitude", power_TF.shape))
    over_time = np.concatenate(
        [
            _mfcc(power_TF),
            _chroma(power_TF),
            _contrast(magnitude_TF),
            _zero_crossing_rate(samples)[:count, None],
            _rolloff(magnitude_TF)[:, None],
            _centroid(magnitude_TF)[:, None],
            _rms(padded)[:count, None],
        ],
        axis=1,
        dtype=np.float64,
    )
    return np.concatenate([over_time.mean(axis=0), over_time.std(axis=0)])


def word_features(transcript: str | None) -> Floats:
    """The 10 numbers of a transcript: characters, words, ``!``, ``?``, ``.``, ``,``, share of vowels and of
    consonants among characters, mean word length, share of capitals. All 0 where there is none.
    """
    text = transcript or ""
    words = text.split()
    characters = max(len(text), 1)
    lower = text.lower()
    vowels = sum(lower.count(vowel) for vowel in "aeiou")
    consonants = sum(character.isalpha() for character in lower) - vowels
    return np.array(
        [
            len(text), len(words), *(text.count(mark) for mark in "!?.,"),
            vowels / characters, consonants / characters,
            sum(map(len, words)) / max(len(words), 1),
            sum(character.isupper() for character in text) / characters,
        ],
        dtype=np.float64,
    )  # fmt: skip


@lru_cache
def frequencies_hz() -> Floats:
    """The F = FRAME / 2 + 1 bin frequencies (read-only)."""
    found = np.arange(FRAME // 2 + 1, dtype=np.float64) * (RATE_HZ / FRAME)
    found.setflags(write=False)
    return found


_workspace = threading.local()


def _scratch(name: str, shape: tuple[int, ...]) -> _Frames:
    """This thread's array of that name, to be written over: fresh pages would cost more than the arithmetic."""
    size = int(np.prod(shape))
    found = getattr(_workspace, name, None)
    if found is None or found.size < size:
        found = np.empty(size, np.float32)
        setattr(_workspace, name, found)
    view: _Frames = found[:size].reshape(shape)
    return view


def _padded(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half a frame of silence on either side, as centred frames need it, and up to a whole number of hops."""
    return np.pad(samples.astype(np.float32, copy=False), (FRAME // 2, FRAME // 2 + -len(samples) % HOP))


def _per_frame(blocks: NDArray[Any]) -> NDArray[Any]:
    """Sums over frames from sums over hops: a frame is FRAME / HOP hops."""
    windows: NDArray[Any] = np.lib.stride_tricks.sliding_window_view(blocks, FRAME // HOP).sum(axis=1)
    return windows


@lru_cache
def _window() -> _Frames:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


def _decibels(power: NDArray[np.float32], floor: float = 1e-10, range_db: float = 80.0) -> _Frames:
    """10 log10, no lower than ``range_db`` below the loudest."""
    levels = np.log(np.maximum(power, np.float32(floor))) * np.float32(10 / np.log(10))
    limited: _Frames = np.maximum(levels, levels.max() - np.float32(range_db))
    return limited


def _mfcc(power_TF: _Frames) -> _Frames:
    mel_TM = np.concatenate([power_TF[:, bins] @ filters for bins, filters in _mel_groups()], axis=1)
    cepstrum: _Frames = _decibels(mel_TM) @ _cosines()
    return cepstrum


@lru_cache
def _cosines() -> _Frames:
    """The first MFCCS columns of the orthonormal discrete cosine transform, (MEL_BANDS, MFCCS)."""
    whole = scipy.fft.dct(np.eye(MEL_BANDS), type=2, axis=1, norm="ortho")
    return np.ascontiguousarray(whole[:, :MFCCS], dtype=np.float32)


@lru_cache
def _mel_groups() -> list[tuple[slice, _Frames]]:
    """The mel filters in groups of neighbours, each with the bins that it looks at: the rest are zeros."""
    groups = []
    for start in range(0, MEL_BANDS, _MEL_GROUP):
        filters_MF = _mel_filters()[start : start + _MEL_GROUP]
        seen = np.flatnonzero(filters_MF.any(axis=0))
        bins = slice(int(seen[0]), int(seen[-1]) + 1)
        groups.append((bins, np.ascontiguousarray(filters_MF[:, bins].T)))
    return groups


@lru_cache
def _mel_filters() -> _Frames:
    """Slaney's triangles of equal area, (MEL_BANDS, F): linear to 1 kHz, logarithmic above."""
    knee_mel, step = 1000 / (200 / 3), np.log(6.4) / 27
    top_mel = knee_mel + np.log(RATE_HZ / 2 / 1000) / step
    mels = np.linspace(0, top_mel, MEL_BANDS + 2)
    corners = np.where(mels < knee_mel, mels * 200 / 3, 1000 * np.exp(step * (mels - knee_mel)))
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    frequency = frequencies_hz()[None, :]
    triangles = np.minimum((frequency - left) / (middle - left), (right - frequency) / (right - middle))
    return (np.maximum(triangles, 0) * 2 / (right - left)).astype(np.float32)


def _chroma(power_TF: _Frames) -> _Frames:
    chroma_TC: _Frames = power_TF @ _chroma_filters(_tuning(power_TF)).T
    loudest = chroma_TC.max(axis=1, keepdims=True)
    return chroma_TC / np.where(loudest < np.finfo(np.float32).tiny, 1, loudest)


def _tuning(power_TF: _Frames) -> float:
    """By how many semitones, in [-0.5, 0.5), the recording's partials lie off A = 440 Hz (in steps of 0.01).

    Partials are the spectrum's local maxima between 150 and 4,000 Hz above a tenth of the frame's maximum,
    refined by a parabola; of those at least as strong as the median, the commonest deviation counts.
    """
    low, high = _TUNED_BINS
    near_TF = power_TF[:, low - 1 : high + 1]
    rising_TF = near_TF[:, 1:] > near_TF[:, :-1]
    peak_TF = near_TF[:, 1:-1] > np.float32(0.1) * power_TF.max(axis=1, keepdims=True)
    peak_TF &= rising_TF[:, :-1]
    peak_TF &= ~rising_TF[:, 1:]
    frame, column = np.divmod(np.flatnonzero(peak_TF), high - low)
    if not len(frame):
        return 0.0
    bin_ = column + low
    place, flat = frame * power_TF.shape[1] + bin_, power_TF.reshape(-1)
    before, at, after = (flat[place + offset] for offset in (-1, 0, 1))
    curvature, slope = after + before - 2 * at, (after - before) / 2
    inside = np.abs(slope) < np.abs(curvature)
    shift = np.where(inside, -slope / np.where(inside, curvature, 1), 0)
    strength = at + np.float32(0.5) * slope * shift
    strong = strength >= _median(strength)
    partial_hz = (bin_[strong] + shift[strong]).astype(np.float64) * (RATE_HZ / FRAME)
    semitones = 12 * np.log2(partial_hz / 27.5)
    deviation = semitones - np.floor(semitones)
    deviation[deviation >= 0.5] -= 1
    return round(float(_TUNINGS[_commonest(deviation)]), 6)


def _commonest(deviation: Floats) -> int:
    """The first of the fullest steps of ``_TUNINGS``, as np.histogram counts with these edges."""
    step = np.minimum(((deviation + 0.5) * 100).astype(np.int64), 99)
    step -= deviation < _TUNINGS[step]
    step += deviation >= _TUNINGS[step + 1]
    return int(np.argmax(np.bincount(step, minlength=100)))


def _median(values: NDArray[np.float32]) -> np.float32:
    """As np.median of one dimension, without what that does for others."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    parts = np.partition(values, (low, high))
    return np.float32(0.5) * (parts[low] + parts[high])


@lru_cache(maxsize=128)
def _chroma_filters(tuning: float) -> _Frames:
    """Ellis's chroma filters, (CHROMA, F): a Gaussian about each pitch class, weighted to the middle octaves."""
    hz = np.arange(1, FRAME) * (RATE_HZ / FRAME)
    pitch = 12 * np.log2(hz / (27.5 * 2.0 ** (tuning / 12)))
    pitch = np.concatenate([[pitch[0] - 18], pitch])
    width = np.concatenate([np.maximum(np.diff(pitch), 1), [1]])
    distance = np.mod(pitch[None, :] - np.arange(12)[:, None] + 6, 12) - 6
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.linalg.norm(weights, axis=0)
    weights *= np.exp(-0.5 * ((pitch / 12 - 5) / 2) ** 2)
    return np.ascontiguousarray(np.roll(weights, -3, axis=0)[:, : FRAME // 2 + 1], dtype=np.float32)


def _contrast(magnitude_TF: _Frames) -> _Frames:
    """Loudest less quietest 2 % of each octave from 200 Hz up (and of what lies below), in decibels."""
    bands = _contrast_bands()
    peaks_BT, valleys_BT = (np.empty((len(bands), len(magnitude_TF)), np.float32) for _ in range(2))
    for band, (start, stop, count) in enumerate(bands):
        inside = magnitude_TF[:, start:stop]
        if count == 1:
            np.min(inside, axis=1, out=valleys_BT[band])
            np.max(inside, axis=1, out=peaks_BT[band])
            continue
        parts = np.sort(inside, axis=1)
        share = np.full(count, 1 / count, np.float32)
        valleys_BT[band], peaks_BT[band] = parts[:, :count] @ share, parts[:, -count:] @ share
    contrast: _Frames = (_decibels(peaks_BT) - _decibels(valleys_BT)).T
    return contrast


@lru_cache
def _contrast_bands() -> tuple[tuple[int, int, int], ...]:
    """Each band's bins (start, stop) and how many of them are its 2 %."""
    hz = frequencies_hz()
    edges = np.concatenate([[0.0], 200.0 * 2.0 ** np.arange(CONTRAST_OCTAVES + 1)])
    bands = []
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = np.flatnonzero((hz >= low) & (hz <= high))
        last = band == CONTRAST_OCTAVES
        start, stop = int(inside[0]) - (band > 0), len(hz) if last else int(inside[-1]) + 1
        count = max(int(np.rint(0.02 * (stop - start))), 1)
        bands.append((start, stop if last else stop - 1, count))
    return tuple(bands)


def _zero_crossing_rate(samples: NDArray[np.float32]) -> _Frames:
    count, before = len(samples), FRAME // 2
    negative = np.empty(FRAME + count + -count % HOP, dtype=bool)
    np.less(samples, np.float32(-1e-10), out=negative[before : before + count])
    # Half a frame on either side repeats the first and the last sample.
    negative[:before], negative[before + count :] = negative[before], negative[before + count - 1]
    crossing = np.zeros(len(negative), dtype=bool)
    np.not_equal(negative[1:], negative[:-1], out=crossing[1:])
    # Eight booleans are counted at once. A crossing into a frame's first sample is not within the frame.
    eights = np.bitwise_count(crossing.view(np.uint64)).reshape(-1, HOP // 8)
    within = _per_frame(eights.sum(axis=1, dtype=np.int64))
    first = crossing[: len(within) * HOP : HOP]
    return ((within - first) / FRAME).astype(np.float32)


def _rolloff(magnitude_TF: _Frames) -> _Frames:
    """The frequency below which 85 % of the magnitude lies (Hz)."""
    starts = np.arange(0, magnitude_TF.shape[1], _ROLLOFF_BINS)
    whole = magnitude_TF.shape[1] // _ROLLOFF_BINS
    blocks_TB = np.empty((len(magnitude_TF), len(starts)), np.float32)
    in_blocks = magnitude_TF[:, : whole * _ROLLOFF_BINS].reshape(len(magnitude_TF), whole, -1)
    np.einsum("tbf->tb", in_blocks, out=blocks_TB[:, :whole])
    blocks_TB[:, whole:] = magnitude_TF[:, whole * _ROLLOFF_BINS :].sum(axis=1, keepdims=True)
    np.cumsum(blocks_TB, axis=1, out=blocks_TB)
    wanted_T1 = np.float32(0.85) * blocks_TB[:, -1:]
    frame_T = np.arange(len(magnitude_TF))
    block_T = np.argmax(blocks_TB >= wanted_T1, axis=1)
    before_T1 = np.where(block_T > 0, blocks_TB[frame_T, block_T - 1], 0)[:, None]
    bin_TB = np.minimum(starts[block_T][:, None] + np.arange(_ROLLOFF_BINS), magnitude_TF.shape[1] - 1)
    within_TB = before_T1 + np.cumsum(magnitude_TF[frame_T[:, None], bin_TB], axis=1)
    found_T = bin_TB[frame_T, np.argmax(within_TB >= wanted_T1 * np.float32(1 - 1e-6), axis=1)]
    return frequencies_hz()[found_T].astype(np.float32)


def _centroid(magnitude_TF: _Frames) -> _Frames:
    """The magnitude-weighted mean frequency (Hz); 0 in silence."""
    total_T = magnitude_TF.sum(axis=1)
    weighted_T = magnitude_TF @ frequencies_hz().astype(np.float32)
    return weighted_T / np.where(total_T < np.finfo(np.float32).tiny, 1, total_T)


def _rms(padded: NDArray[np.float32]) -> _Frames:
    hops = padded.reshape(-1, HOP)
    energy = _per_frame(np.einsum("th,th->t", hops, hops).astype(np.float64))
    return np.sqrt(energy / FRAME).astype(np.float32)
