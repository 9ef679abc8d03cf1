"""Recordings cut into frames, several recordings at a time, and the power of every frame's Fourier transform.

Short recordings are laid end to end, so that one call of numpy works on the frames of all of them: it costs less,
and threads wait less for each other. Whatever could come out a bit different in other company (transforms, matrix
products) is done recording by recording.
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
FRAME = 2_048
HOP = 512
BINS = FRAME // 2 + 1
# Recordings share a block up to so many frames (40 s), and a longer one is worked through in pieces of so many.
BLOCK_FRAMES = 1_280
# Transforms that are made at once, a divisor of BLOCK_FRAMES: their results stay in the cache.
_TRANSFORMS = 64

Floats = NDArray[np.float64]
Frames = NDArray[np.float32]
Samples = NDArray[np.float32]
Rows = NDArray[np.int64]


class Stream:
    """N recordings end to end, T frames in sum: each has half a frame of silence on either side, as centred frames
    need it, and ends on a whole hop.

    Attributes:
        samples: all of them, float32.
        first_N, last_N: the first and the last own sample of each recording.
        count_N, start_N: frames of each recording, and its first row among the T.
        hop_T: where each frame begins, in hops.
    """

    def __init__(self, recordings: Sequence[Samples]) -> None:
        lengths_N = np.array([len(recording) for recording in recordings], dtype=np.int64)
        hops_N = FRAME // HOP - (-lengths_N // HOP)
        before_N = np.cumsum(hops_N) - hops_N
        self.first_N = before_N * HOP + FRAME // 2
        self.last_N = self.first_N + lengths_N - 1
        self.count_N = np.array([frame_count(length) for length in lengths_N.tolist()], dtype=np.int64)
        self.start_N = np.cumsum(self.count_N) - self.count_N
        self.hop_T = np.arange(self.count_N.sum()) + np.repeat(before_N - self.start_N, self.count_N)
        self.samples = np.zeros(int(hops_N.sum()) * HOP, np.float32)
        for first, recording in zip(self.first_N.tolist(), recordings, strict=True):
            self.samples[first : first + len(recording)] = recording

    def __len__(self) -> int:
        """T."""
        return len(self.hop_T)

    def pieces(self) -> list[slice]:
        """All rows, in pieces of BLOCK_FRAMES: one, but for a long recording."""
        return [
            slice(start, min(start + BLOCK_FRAMES, len(self))) for start in range(0, len(self), BLOCK_FRAMES)
        ]

    def parts(self, piece: slice) -> Iterator[tuple[slice, slice]]:
        """Each recording's rows in this piece: among the T, and counted from the piece's first."""
        for start, count in zip(self.start_N.tolist(), self.count_N.tolist(), strict=True):
            first, last = max(start, piece.start), min(start + count, piece.stop)
            yield slice(first, last), slice(first - piece.start, last - piece.start)

    def power(self, piece: slice) -> Frames:
        """``power_TF`` of these rows: the square of the transform of each windowed frame.

        The array belongs to this thread and is written over by the next call.
        """
        power_TF = scratch("power", (piece.stop - piece.start, BINS))
        frames_TL = np.lib.stride_tricks.sliding_window_view(self.samples, FRAME)[::HOP]
        for rows, _ in self.parts(piece):
            for start in range(rows.start, rows.stop, _TRANSFORMS):
                count, hop = min(_TRANSFORMS, rows.stop - start), self.hop_T[start]
                windowed_TL = scratch("windowed", (count, FRAME))
                np.multiply(frames_TL[hop : hop + count], _window(), out=windowed_TL)
                spectrum_TF = scipy.fft.rfft(windowed_TL, axis=1, overwrite_x=True)
                parts = spectrum_TF.view(np.float32)
                np.square(parts, out=parts)
                first = start - piece.start
                np.add(parts[:, ::2], parts[:, 1::2], out=power_TF[first : first + count])
        return power_TF

    def over_hops(self, sums: NDArray[Any]) -> NDArray[Any]:
        """Sums over every frame from sums over every hop of the stream: a frame is FRAME / HOP hops."""
        windows = np.lib.stride_tricks.sliding_window_view(sums, FRAME // HOP).sum(axis=1)
        found: NDArray[Any] = windows[self.hop_T]
        return found


def blocks(counts: Sequence[int]) -> Iterator[slice]:
    """Which neighbours share a block, given the frames of each recording: a long one is a block by itself."""
    start, frames = 0, 0
    for index, count in enumerate(counts):
        if index > start and frames + count > BLOCK_FRAMES:
            yield slice(start, index)
            start, frames = index, 0
        frames += count
    if start < len(counts):
        yield slice(start, len(counts))


def frame_count(samples: int) -> int:
    """Frames of a recording of so many samples at RATE_HZ."""
    return 1 + samples // HOP


_workspace = threading.local()


def scratch(name: str, shape: tuple[int, ...]) -> Frames:
    """This thread's array of that name, to be written over: fresh pages would cost more than the arithmetic."""
    size = int(np.prod(shape))
    found = getattr(_workspace, name, None)
    if found is None or found.size < size:
        found = np.empty(size, np.float32)
        setattr(_workspace, name, found)
    view: Frames = found[:size].reshape(shape)
    return view


@lru_cache
def frequencies_hz() -> Floats:
    """The F = BINS frequencies (read-only)."""
    found = np.arange(BINS, dtype=np.float64) * (RATE_HZ / FRAME)
    found.setflags(write=False)
    return found


@lru_cache
def _window() -> Frames:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
