"""Cutting recordings into overlapping frames, and their power spectra.

Short recordings are concatenated, so that one numpy call processes the frames of several recordings. Operations whose
rounding could depend on the other recordings (transforms, matrix products) run per recording.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

RATE_HZ = 16_000
FRAME_SAMPLES = 2_048
HOP_SAMPLES = 512
BINS = FRAME_SAMPLES // 2 + 1
# Recordings share a block up to this many frames (40 s); a longer recording is processed in chunks of this size.
BLOCK_FRAMES = 1_280
# Transforms per call, a divisor of BLOCK_FRAMES: their results fit into the processor's cache.
_TRANSFORMS = 64

Floats = NDArray[np.float64]
Frames = NDArray[np.float32]
Samples = NDArray[np.float32]
Rows = NDArray[np.int64]


class FramedRecordings:
    """N concatenated recordings with T frames in total.

    Frames are centred: half a frame of silence surrounds each recording, and its end is padded to a multiple of the
    hop.

    Attributes:
        samples: all samples with padding, float32.
        first_N: index of the first sample of each recording.
        last_N: index of its last sample.
        count_N: number of its frames.
        start_N: its first row among the T frames.
        hop_T: start of each frame, in hops.
    """

    def __init__(self, recordings: Sequence[Samples]) -> None:
        """Concatenate mono recordings at RATE_HZ."""
        lengths_N = np.array([len(recording) for recording in recordings], dtype=np.int64)
        hops_N = FRAME_SAMPLES // HOP_SAMPLES - (-lengths_N // HOP_SAMPLES)
        before_N = np.cumsum(hops_N) - hops_N
        self.first_N = before_N * HOP_SAMPLES + FRAME_SAMPLES // 2
        self.last_N = self.first_N + lengths_N - 1
        self.count_N = np.array([frame_count(length) for length in lengths_N.tolist()], dtype=np.int64)
        self.start_N = np.cumsum(self.count_N) - self.count_N
        self.hop_T = np.arange(self.count_N.sum()) + np.repeat(before_N - self.start_N, self.count_N)
        self.samples = np.zeros(int(hops_N.sum()) * HOP_SAMPLES, np.float32)
        for first, recording in zip(self.first_N.tolist(), recordings, strict=True):
            self.samples[first : first + len(recording)] = recording

    def __len__(self) -> int:
        """The number of frames, T."""
        return len(self.hop_T)

    def chunks(self) -> list[slice]:
        """All rows in chunks of at most BLOCK_FRAMES; more than one only for a long recording."""
        return [
            slice(start, min(start + BLOCK_FRAMES, len(self))) for start in range(0, len(self), BLOCK_FRAMES)
        ]

    def recordings_in(self, chunk: slice) -> Iterator[tuple[slice, slice]]:
        """Rows of each recording in this chunk: among the T frames, and relative to the chunk's first row."""
        for start, count in zip(self.start_N.tolist(), self.count_N.tolist(), strict=True):
            first, last = max(start, chunk.start), min(start + count, chunk.stop)
            yield slice(first, last), slice(first - chunk.start, last - chunk.start)

    def power(self, chunk: slice) -> Frames:
        """Power spectra of the Hann-windowed frames of a chunk.

        Returns:
            ``power_TF``, frames by BINS. The array belongs to the calling thread; the next call overwrites it.
        """
        power_TF = thread_buffer("power", (chunk.stop - chunk.start, BINS))
        frames_TL = np.lib.stride_tricks.sliding_window_view(self.samples, FRAME_SAMPLES)[::HOP_SAMPLES]
        for rows, _ in self.recordings_in(chunk):
            for start in range(rows.start, rows.stop, _TRANSFORMS):
                count, hop = min(_TRANSFORMS, rows.stop - start), self.hop_T[start]
                windowed_TL = thread_buffer("windowed", (count, FRAME_SAMPLES))
                np.multiply(frames_TL[hop : hop + count], _hann_window(), out=windowed_TL)
                spectrum_TF = scipy.fft.rfft(windowed_TL, axis=1, overwrite_x=True)
                parts = spectrum_TF.view(np.float32)
                np.square(parts, out=parts)
                first = start - chunk.start
                np.add(parts[:, ::2], parts[:, 1::2], out=power_TF[first : first + count])
        return power_TF

    def sum_over_frames(self, hop_sums: NDArray[Any]) -> NDArray[Any]:
        """Sums over each of the T frames, from sums over each hop: a frame consists of whole hops."""
        hops = FRAME_SAMPLES // HOP_SAMPLES
        windows = np.lib.stride_tricks.sliding_window_view(hop_sums, hops).sum(axis=1)
        sums_T: NDArray[Any] = windows[self.hop_T]
        return sums_T


def blocks(counts: Sequence[int]) -> Iterator[slice]:
    """Group neighbouring recordings into blocks of at most BLOCK_FRAMES; a longer recording is its own block.

    Args:
        counts: frames of each recording.

    Yields:
        Slices of recordings, in order.
    """
    start, frames = 0, 0
    for index, count in enumerate(counts):
        if index > start and frames + count > BLOCK_FRAMES:
            yield slice(start, index)
            start, frames = index, 0
        frames += count
    if start < len(counts):
        yield slice(start, len(counts))


def frame_count(samples: int) -> int:
    """Frames of a recording with this many samples at RATE_HZ."""
    return 1 + samples // HOP_SAMPLES


_thread_buffers = threading.local()


def thread_buffer(name: str, shape: tuple[int, ...]) -> Frames:
    """This thread's reusable array of that name, with undefined content: allocating new pages costs more time."""
    size = int(np.prod(shape))
    buffer = getattr(_thread_buffers, name, None)
    if buffer is None or buffer.size < size:
        buffer = np.empty(size, np.float32)
        setattr(_thread_buffers, name, buffer)
    view: Frames = buffer[:size].reshape(shape)
    return view


@lru_cache
def frequencies_hz() -> Floats:
    """Centre frequencies of the BINS bins (read-only)."""
    hz = np.arange(BINS, dtype=np.float64) * (RATE_HZ / FRAME_SAMPLES)
    hz.setflags(write=False)
    return hz


@lru_cache
def _hann_window() -> Frames:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)).astype(np.float32)
