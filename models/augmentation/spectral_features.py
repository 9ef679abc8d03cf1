"""Features of single spectra: mel energies, the extremes of spectral contrast, roll-off and centroid.

Mel scale and filters are Slaney's, as in librosa; spectral contrast follows Jiang et al. (ICME 2002). All functions
write into arrays of the caller.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np

from ambivox.models.augmentation.framing import BINS, RATE_HZ, Frames, Rows, frequencies_hz

MEL_BANDS = 128
CONTRAST_BANDS = 7  # below 200 Hz, and six octaves above
_MEL_GROUP = 16  # mel filters per matrix product
_CONTRAST_SHARE = 0.02  # of a band's bins, the quietest and the loudest
_ROLLOFF_SHARE = 0.85
_ROLLOFF_BINS = 32  # roll-off is searched in blocks of bins first, then within the block


def write_mel_energies(power_TF: Frames, out: Frames) -> None:
    """Energies in MEL_BANDS mel bands.

    Args:
        power_TF: power spectra, frames by BINS.
        out: frames by MEL_BANDS.
    """
    for start, (bins, filters) in zip(range(0, MEL_BANDS, _MEL_GROUP), _mel_groups(), strict=True):
        out[:, start : start + _MEL_GROUP] = power_TF[:, bins] @ filters


def write_contrast_extremes(magnitude_TF: Frames, valley_TB: Frames, peak_TB: Frames) -> None:
    """Means of the quietest and of the loudest 2 % of the bins in each band.

    Args:
        magnitude_TF: magnitude spectra, frames by BINS.
        valley_TB: output for the quietest bins, frames by CONTRAST_BANDS.
        peak_TB: output for the loudest bins.
    """
    # Non-negative floats sort like their bits; sorting integers is faster, as it need not handle NaN.
    bits_TF = magnitude_TF.view(np.int32)
    for band, (start, stop, count) in enumerate(_contrast_bands()):
        sorted_TF = np.sort(bits_TF[:, start:stop], axis=1).view(np.float32)
        np.mean(sorted_TF[:, :count], axis=1, out=valley_TB[:, band])
        np.mean(sorted_TF[:, -count:], axis=1, out=peak_TB[:, band])


def write_rolloff_and_centroid(magnitude_TF: Frames, out: Frames) -> None:
    """Roll-off, the frequency below which 85 % of the magnitude lies, and centroid, the magnitude-weighted mean frequency.

    Args:
        magnitude_TF: magnitude spectra, frames by BINS.
        out: frames by 2, in Hz; both are 0 in silence.
    """
    starts = np.arange(0, BINS, _ROLLOFF_BINS)
    full_blocks = BINS // _ROLLOFF_BINS
    blocks_TB = np.empty((len(magnitude_TF), len(starts)), np.float32)
    in_blocks = magnitude_TF[:, : full_blocks * _ROLLOFF_BINS].reshape(len(magnitude_TF), full_blocks, -1)
    np.einsum("tbf->tb", in_blocks, out=blocks_TB[:, :full_blocks])
    blocks_TB[:, full_blocks:] = magnitude_TF[:, full_blocks * _ROLLOFF_BINS :].sum(axis=1, keepdims=True)
    np.cumsum(blocks_TB, axis=1, out=blocks_TB)
    threshold_T1 = np.float32(_ROLLOFF_SHARE) * blocks_TB[:, -1:]
    frame_T: Rows = np.arange(len(magnitude_TF))
    block_T = np.argmax(blocks_TB >= threshold_T1, axis=1)
    before_T1 = np.where(block_T > 0, blocks_TB[frame_T, block_T - 1], 0)[:, None]
    bin_TB = np.minimum(starts[block_T][:, None] + np.arange(_ROLLOFF_BINS), BINS - 1)
    cumulative_TB = before_T1 + np.cumsum(magnitude_TF[frame_T[:, None], bin_TB], axis=1)
    first_T = np.argmax(cumulative_TB >= threshold_T1 * np.float32(1 - 1e-6), axis=1)
    out[:, 0] = frequencies_hz()[bin_TB[frame_T, first_T]]
    total_T = blocks_TB[:, -1]
    weighted_T = np.vecdot(magnitude_TF, frequencies_hz().astype(np.float32))
    out[:, 1] = weighted_T / np.where(total_T < np.finfo(np.float32).tiny, 1, total_T)


@lru_cache
def _mel_groups() -> list[tuple[slice, Frames]]:
    """Groups of neighbouring mel filters, each with the range of bins in which they are not zero."""
    groups = []
    for start in range(0, MEL_BANDS, _MEL_GROUP):
        filters_MF = _mel_filters()[start : start + _MEL_GROUP]
        nonzero = np.flatnonzero(filters_MF.any(axis=0))
        bins = slice(int(nonzero[0]), int(nonzero[-1]) + 1)
        groups.append((bins, np.ascontiguousarray(filters_MF[:, bins].T)))
    return groups


@lru_cache
def _mel_filters() -> Frames:
    """Slaney's triangles of equal area, (MEL_BANDS, BINS): linear to 1 kHz, logarithmic above."""
    knee_mel, step = 1000 / (200 / 3), np.log(6.4) / 27
    top_mel = knee_mel + np.log(RATE_HZ / 2 / 1000) / step
    mels = np.linspace(0, top_mel, MEL_BANDS + 2)
    corners = np.where(mels < knee_mel, mels * 200 / 3, 1000 * np.exp(step * (mels - knee_mel)))
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    frequency = frequencies_hz()[None, :]
    triangles = np.minimum((frequency - left) / (middle - left), (right - frequency) / (right - middle))
    return (np.maximum(triangles, 0) * 2 / (right - left)).astype(np.float32)


@lru_cache
def _contrast_bands() -> tuple[tuple[int, int, int], ...]:
    """Each band's bins (start, stop), and how many of them are 2 %; borders as in librosa."""
    hz = frequencies_hz()
    edges = np.concatenate([[0.0], 200.0 * 2.0 ** np.arange(CONTRAST_BANDS)])
    bands = []
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = np.flatnonzero((hz >= low) & (hz <= high))
        is_last = band == CONTRAST_BANDS - 1
        start, stop = int(inside[0]) - (band > 0), BINS if is_last else int(inside[-1]) + 1
        count = max(int(np.rint(_CONTRAST_SHARE * (stop - start))), 1)
        bands.append((start, stop if is_last else stop - 1, count))
    return tuple(bands)
