"""The 72 acoustic features of DiME-Aug (arXiv 2601.14620).

Mean and standard deviation over time of 13 MFCCs, 12 chroma values, 7 bands of spectral contrast, zero-crossing rate,
roll-off, centroid and RMS, as librosa 0.11 defines them by default at 16 kHz (frames of 2,048 samples, hop of 512). One
short-time Fourier transform serves all of them, where each function of librosa computes its own;
docs/decisions/11-features-in-numpy.md has the measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.fft

from ambivox.models.augmentation.chroma import (
    PITCH_CLASSES,
    SpectralPeaks,
    estimate_tunings,
    normalise_by_maximum,
    pitch_class_energy,
    spectral_peaks,
)
from ambivox.models.augmentation.framing import (
    FRAME_SAMPLES,
    HOP_SAMPLES,
    Floats,
    FramedRecordings,
    Frames,
    Samples,
    blocks,
    frame_count,
    thread_buffer,
)
from ambivox.models.augmentation.spectral_features import (
    CONTRAST_BANDS,
    MEL_BANDS,
    write_contrast_extremes,
    write_mel_energies,
    write_rolloff_and_centroid,
)

MFCCS = 13
ACOUSTIC_FEATURES = 2 * (MFCCS + PITCH_CLASSES + CONTRAST_BANDS + 4)
# Part of every cache key: raise it when a bit of the result changes.
VERSION = "3"


def acoustic_features(recordings: Sequence[Samples]) -> Floats:
    """The features of N recordings.

    The features of a recording have the same bits, whichever recordings are processed with it. Memory is a few times
    that of the longest recording, plus some megabytes.

    Args:
        recordings: mono samples in [-1, 1] at 16 kHz, float32, at least one sample each.

    Returns:
        ``features_NF``, F = ACOUSTIC_FEATURES: 36 means over time, then 36 standard deviations.
    """
    counts = [frame_count(len(recording)) for recording in recordings]
    features = [_block_features(FramedRecordings(recordings[block])) for block in blocks(counts)]
    return np.concatenate(features) if features else np.zeros((0, ACOUSTIC_FEATURES))


def _block_features(framed: FramedRecordings) -> Floats:
    def per_frame(values: int) -> Frames:
        return np.empty((len(framed), values), np.float32)

    mel_TM, mfcc_TC, chroma_TC = per_frame(MEL_BANDS), per_frame(MFCCS), per_frame(PITCH_CLASSES)
    peak_TB, valley_TB = per_frame(CONTRAST_BANDS), per_frame(CONTRAST_BANDS)
    rolloff_and_centroid_T2 = per_frame(2)
    peaks: list[SpectralPeaks] = []
    chunks = framed.chunks()
    for chunk in chunks:
        power_TF = framed.power(chunk)
        magnitude_TF: Frames = np.sqrt(power_TF, out=thread_buffer("magnitude", power_TF.shape))
        for rows, chunk_rows in framed.recordings_in(chunk):
            write_mel_energies(power_TF[chunk_rows], out=mel_TM[rows])
        peaks.append(spectral_peaks(power_TF, chunk.start))
        write_contrast_extremes(magnitude_TF, valley_TB[chunk], peak_TB[chunk])
        write_rolloff_and_centroid(magnitude_TF, out=rolloff_and_centroid_T2[chunk])
    # Maximum level and tuning are those of the complete recording, so features that need them come second.
    mel_TM, tuning_N = _decibels(mel_TM, framed), estimate_tunings(peaks, framed.start_N)
    for chunk in chunks:
        if len(chunks) > 1:  # Computed again: the spectra of an hour would need half a gigabyte.
            power_TF = framed.power(chunk)
        for (rows, chunk_rows), tuning in zip(framed.recordings_in(chunk), tuning_N, strict=True):
            chroma_TC[rows] = pitch_class_energy(power_TF[chunk_rows], tuning)
            mfcc_TC[rows] = mel_TM[rows] @ _mfcc_basis()
    over_time_TX = np.concatenate(
        [
            mfcc_TC,
            normalise_by_maximum(chroma_TC),
            _decibels(peak_TB, framed) - _decibels(valley_TB, framed),
            _zero_crossing_rate(framed)[:, None],
            rolloff_and_centroid_T2,
            _rms(framed)[:, None],
        ],
        axis=1,
        dtype=np.float64,
    )
    return _mean_and_deviation(over_time_TX, framed)


def _mean_and_deviation(over_time_TX: Floats, framed: FramedRecordings) -> Floats:
    count_N1 = framed.count_N[:, None]
    mean_NX = np.add.reduceat(over_time_TX, framed.start_N, axis=0) / count_N1
    squares_TX = np.square(over_time_TX - np.repeat(mean_NX, framed.count_N, axis=0))
    deviation_NX = np.sqrt(np.add.reduceat(squares_TX, framed.start_N, axis=0) / count_N1)
    return np.concatenate([mean_NX, deviation_NX], axis=1)


def _decibels(
    power_TX: Frames, framed: FramedRecordings, floor: float = 1e-10, range_db: float = 80.0
) -> Frames:
    """10 log10 of the power, at least the recording's maximum minus ``range_db``."""
    levels_TX = np.maximum(power_TX, np.float32(floor))
    np.log(levels_TX, out=levels_TX)
    levels_TX *= np.float32(10 / np.log(10))
    maximum_N = np.maximum.reduceat(levels_TX.max(axis=1), framed.start_N)
    least_T = np.repeat(maximum_N - np.float32(range_db), framed.count_N)
    limited_TX: Frames = np.maximum(levels_TX, least_T[:, None], out=levels_TX)
    return limited_TX


@lru_cache
def _mfcc_basis() -> Frames:
    """The first MFCCS columns of the orthonormal discrete cosine transform, (MEL_BANDS, MFCCS)."""
    transform = scipy.fft.dct(np.eye(MEL_BANDS), type=2, axis=1, norm="ortho")
    return np.ascontiguousarray(transform[:, :MFCCS], dtype=np.float32)


def _zero_crossing_rate(framed: FramedRecordings) -> Frames:
    is_negative = framed.samples < np.float32(-1e-10)
    # As in librosa, half a frame on either side repeats the first and the last sample.
    ends = np.append(framed.first_N[1:] - FRAME_SAMPLES // 2, len(is_negative))
    for first, last, end in zip(framed.first_N, framed.last_N, ends, strict=True):
        is_negative[first - FRAME_SAMPLES // 2 : first] = is_negative[first]
        is_negative[last + 1 : end] = is_negative[last]
    is_crossing = np.zeros(len(is_negative), dtype=bool)
    np.not_equal(is_negative[1:], is_negative[:-1], out=is_crossing[1:])
    # Eight booleans are counted at once. A crossing at the first sample of a frame is not within the frame.
    counts = np.bitwise_count(is_crossing.view(np.uint64)).reshape(-1, HOP_SAMPLES // 8)
    crossings_T = framed.sum_over_frames(counts.sum(axis=1, dtype=np.int64))
    crossings_T = crossings_T - is_crossing[framed.hop_T * HOP_SAMPLES]
    return (crossings_T / FRAME_SAMPLES).astype(np.float32)


def _rms(framed: FramedRecordings) -> Frames:
    hops = framed.samples.reshape(-1, HOP_SAMPLES)
    energy_T = framed.sum_over_frames(np.einsum("th,th->t", hops, hops).astype(np.float64))
    return np.sqrt(energy_T / FRAME_SAMPLES).astype(np.float32)
