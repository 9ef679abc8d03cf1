"""The paper's 72 features of a recording's sound (arXiv 2601.14620, DiME-Aug).

Mean and standard deviation over time of 13 MFCCs, 12 chroma, 7 spectral-contrast bands, zero-crossing rate,
roll-off, centroid and RMS, as librosa 0.11 defines them by default at 16 kHz (frames of 2,048, hop 512). All of
them come from one short-time Fourier transform; librosa's functions compute it once each. Formulas: Slaney's mel
scale and filters; Ellis's chroma with the recording's own tuning; contrast after Jiang et al. (ICME 2002).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.fft

from ambivox.models.augmentation.chroma import (
    CHROMA,
    Partials,
    of_strongest,
    partials,
    pitch_classes,
    tunings,
)
from ambivox.models.augmentation.frames import (
    BINS,
    FRAME,
    HOP,
    RATE_HZ,
    Floats,
    Frames,
    Rows,
    Samples,
    Stream,
    blocks,
    frame_count,
    frequencies_hz,
    scratch,
)

MEL_BANDS, MFCCS, CONTRAST_OCTAVES = 128, 13, 6
SOUND_FEATURES = 2 * (MFCCS + CHROMA + CONTRAST_OCTAVES + 1 + 4)
# Part of every cache key: raise it when a bit of the result changes.
VERSION = "3"
# Roll-off is looked for in blocks of bins first, then in the block.
_ROLLOFF_BINS = 32
_MEL_GROUP = 16


def sound_features(recordings: Sequence[Samples]) -> Floats:
    """``features_NF`` of N recordings at RATE_HZ: 36 means over time, then 36 standard deviations.

    A recording's numbers are the same to the last bit whichever others are with it. Memory is a few times
    that of the longest recording's samples, and some megabytes.

    Args:
        recordings: mono, float32, one sample or more each.
    """
    counts = [frame_count(len(recording)) for recording in recordings]
    found = [_of_block(Stream(recordings[block])) for block in blocks(counts)]
    return np.concatenate(found) if found else np.zeros((0, SOUND_FEATURES))


def _of_block(stream: Stream) -> Floats:
    def per_frame(numbers: int) -> Frames:
        return np.empty((len(stream), numbers), np.float32)

    mel_TM, mfcc_TC, chroma_TC = per_frame(MEL_BANDS), per_frame(MFCCS), per_frame(CHROMA)
    peaks_TB, valleys_TB = per_frame(CONTRAST_OCTAVES + 1), per_frame(CONTRAST_OCTAVES + 1)
    place_T2 = per_frame(2)
    found: list[Partials] = []
    pieces = stream.pieces()
    for piece in pieces:
        power_TF = stream.power(piece)
        magnitude_TF: Frames = np.sqrt(power_TF, out=scratch("magnitude", power_TF.shape))
        for rows, here in stream.parts(piece):
            _mel(power_TF[here], out=mel_TM[rows])
        found.append(partials(power_TF, piece.start))
        _extremes(magnitude_TF, valleys_TB[piece], peaks_TB[piece])
        _rolloff_and_centroid(magnitude_TF, place_T2[piece])
    # Loudest level and tuning are those of the whole recording, so what needs them comes second.
    mel_TM, tuning_N = _decibels(mel_TM, stream), tunings(found, stream.start_N)
    for piece in pieces:
        if len(pieces) > 1:  # Made again rather than kept: an hour's would fill half a gigabyte.
            power_TF = stream.power(piece)
        for (rows, here), tuning in zip(stream.parts(piece), tuning_N, strict=True):
            chroma_TC[rows] = pitch_classes(power_TF[here], tuning)
            mfcc_TC[rows] = mel_TM[rows] @ _cosines()
    over_time = np.concatenate(
        [
            mfcc_TC,
            of_strongest(chroma_TC),
            _decibels(peaks_TB, stream) - _decibels(valleys_TB, stream),
            _zero_crossing_rate(stream)[:, None],
            place_T2,
            _rms(stream)[:, None],
        ],
        axis=1,
        dtype=np.float64,
    )
    return _mean_and_deviation(over_time, stream)


def _mean_and_deviation(over_time: Floats, stream: Stream) -> Floats:
    count_N1 = stream.count_N[:, None]
    mean_NF = np.add.reduceat(over_time, stream.start_N, axis=0) / count_N1
    squares = np.square(over_time - np.repeat(mean_NF, stream.count_N, axis=0))
    deviation_NF = np.sqrt(np.add.reduceat(squares, stream.start_N, axis=0) / count_N1)
    return np.concatenate([mean_NF, deviation_NF], axis=1)


def _decibels(power_TX: Frames, stream: Stream, floor: float = 1e-10, range_db: float = 80.0) -> Frames:
    """10 log10, no lower than ``range_db`` below the recording's loudest."""
    levels = np.maximum(power_TX, np.float32(floor))
    np.log(levels, out=levels)
    levels *= np.float32(10 / np.log(10))
    loudest_N = np.maximum.reduceat(levels.max(axis=1), stream.start_N)
    least_T = np.repeat(loudest_N - np.float32(range_db), stream.count_N)
    limited: Frames = np.maximum(levels, least_T[:, None], out=levels)
    return limited


def _mel(power_TF: Frames, out: Frames) -> None:
    for start, (bins, filters) in zip(range(0, MEL_BANDS, _MEL_GROUP), _mel_groups(), strict=True):
        out[:, start : start + _MEL_GROUP] = power_TF[:, bins] @ filters


@lru_cache
def _cosines() -> Frames:
    """The first MFCCS columns of the orthonormal discrete cosine transform, (MEL_BANDS, MFCCS)."""
    whole = scipy.fft.dct(np.eye(MEL_BANDS), type=2, axis=1, norm="ortho")
    return np.ascontiguousarray(whole[:, :MFCCS], dtype=np.float32)


@lru_cache
def _mel_groups() -> list[tuple[slice, Frames]]:
    """The mel filters in groups of neighbours, each with the bins that it looks at: the rest are zeros."""
    groups = []
    for start in range(0, MEL_BANDS, _MEL_GROUP):
        filters_MF = _mel_filters()[start : start + _MEL_GROUP]
        seen = np.flatnonzero(filters_MF.any(axis=0))
        bins = slice(int(seen[0]), int(seen[-1]) + 1)
        groups.append((bins, np.ascontiguousarray(filters_MF[:, bins].T)))
    return groups


@lru_cache
def _mel_filters() -> Frames:
    """Slaney's triangles of equal area, (MEL_BANDS, F): linear to 1 kHz, logarithmic above."""
    knee_mel, step = 1000 / (200 / 3), np.log(6.4) / 27
    top_mel = knee_mel + np.log(RATE_HZ / 2 / 1000) / step
    mels = np.linspace(0, top_mel, MEL_BANDS + 2)
    corners = np.where(mels < knee_mel, mels * 200 / 3, 1000 * np.exp(step * (mels - knee_mel)))
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    frequency = frequencies_hz()[None, :]
    triangles = np.minimum((frequency - left) / (middle - left), (right - frequency) / (right - middle))
    return (np.maximum(triangles, 0) * 2 / (right - left)).astype(np.float32)


def _extremes(magnitude_TF: Frames, valleys_TB: Frames, peaks_TB: Frames) -> None:
    """Means of the quietest and loudest 2 % of each octave from 200 Hz up (and of what lies below)."""
    # Numbers that are not negative sort like their bits, which needs no look-out for what is not a number.
    bits_TF = magnitude_TF.view(np.int32)
    for band, (start, stop, count) in enumerate(_contrast_bands()):
        parts = np.sort(bits_TF[:, start:stop], axis=1).view(np.float32)
        np.mean(parts[:, :count], axis=1, out=valleys_TB[:, band])
        np.mean(parts[:, -count:], axis=1, out=peaks_TB[:, band])


@lru_cache
def _contrast_bands() -> tuple[tuple[int, int, int], ...]:
    """Each band's bins (start, stop) and how many of them are its 2 %."""
    hz = frequencies_hz()
    edges = np.concatenate([[0.0], 200.0 * 2.0 ** np.arange(CONTRAST_OCTAVES + 1)])
    bands = []
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = np.flatnonzero((hz >= low) & (hz <= high))
        last = band == CONTRAST_OCTAVES
        start, stop = int(inside[0]) - (band > 0), BINS if last else int(inside[-1]) + 1
        count = max(int(np.rint(0.02 * (stop - start))), 1)
        bands.append((start, stop if last else stop - 1, count))
    return tuple(bands)


def _zero_crossing_rate(stream: Stream) -> Frames:
    negative = stream.samples < np.float32(-1e-10)
    # Half a frame on either side repeats the first and the last sample.
    ends = np.append(stream.first_N[1:] - FRAME // 2, len(negative))
    for first, last, end in zip(stream.first_N, stream.last_N, ends, strict=True):
        negative[first - FRAME // 2 : first] = negative[first]
        negative[last + 1 : end] = negative[last]
    crossing = np.zeros(len(negative), dtype=bool)
    np.not_equal(negative[1:], negative[:-1], out=crossing[1:])
    # Eight booleans are counted at once. A crossing into a frame's first sample is not within the frame.
    eights = np.bitwise_count(crossing.view(np.uint64)).reshape(-1, HOP // 8)
    within_T = stream.over_hops(eights.sum(axis=1, dtype=np.int64)) - crossing[stream.hop_T * HOP]
    return (within_T / FRAME).astype(np.float32)


def _rolloff_and_centroid(magnitude_TF: Frames, out: Frames) -> None:
    """The frequency below which 85 % of each frame's magnitude lies, and the magnitude-weighted mean frequency, 0
    in silence (Hz).
    """
    starts = np.arange(0, BINS, _ROLLOFF_BINS)
    whole = BINS // _ROLLOFF_BINS
    blocks_TB = np.empty((len(magnitude_TF), len(starts)), np.float32)
    in_blocks = magnitude_TF[:, : whole * _ROLLOFF_BINS].reshape(len(magnitude_TF), whole, -1)
    np.einsum("tbf->tb", in_blocks, out=blocks_TB[:, :whole])
    blocks_TB[:, whole:] = magnitude_TF[:, whole * _ROLLOFF_BINS :].sum(axis=1, keepdims=True)
    np.cumsum(blocks_TB, axis=1, out=blocks_TB)
    wanted_T1 = np.float32(0.85) * blocks_TB[:, -1:]
    frame_T: Rows = np.arange(len(magnitude_TF))
    block_T = np.argmax(blocks_TB >= wanted_T1, axis=1)
    before_T1 = np.where(block_T > 0, blocks_TB[frame_T, block_T - 1], 0)[:, None]
    bin_TB = np.minimum(starts[block_T][:, None] + np.arange(_ROLLOFF_BINS), BINS - 1)
    within_TB = before_T1 + np.cumsum(magnitude_TF[frame_T[:, None], bin_TB], axis=1)
    found_T = bin_TB[frame_T, np.argmax(within_TB >= wanted_T1 * np.float32(1 - 1e-6), axis=1)]
    out[:, 0] = frequencies_hz()[found_T]
    total_T = blocks_TB[:, -1]
    weighted_T = np.vecdot(magnitude_TF, frequencies_hz().astype(np.float32))
    out[:, 1] = weighted_T / np.where(total_T < np.finfo(np.float32).tiny, 1, total_T)


def _rms(stream: Stream) -> Frames:
    hops = stream.samples.reshape(-1, HOP)
    energy_T = stream.over_hops(np.einsum("th,th->t", hops, hops).astype(np.float64))
    return np.sqrt(energy_T / FRAME).astype(np.float32)
