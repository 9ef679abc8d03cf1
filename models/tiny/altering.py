"""Few clips made to go far: what a training batch changes in the spectrograms that it hears.

Masking bands and stretches of time (SpecAugment, arXiv 1904.08779), stretching in time, shifting bands (as
another vocal tract would) and loudness, cutting long clips, and mixing pairs (mixup, arXiv 1710.09412).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.tiny.mels import MARGIN_FRAMES, Mels, pad_batch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Altering:
    """How far; lengths in mel frames (10 ms), bands of 128."""

    masked_bands: int = 20
    masked_frames: int = 25
    masks: int = 2
    stretch: float = 0.12
    shift_bands: int = 3
    loudness: float = 0.08  # in the front end's units: log10 of power over 4, so 3.2 dB
    mixup: float = 0.3
    longest: int = 400  # a longer clip is cut to that, at a random place


def altered_batch(
    mels: Mels,
    p_NK: NDArray[np.float64],
    rows: NDArray[np.int64],
    options: Altering,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One training batch: spectrograms, their lengths, targets."""
    import torch

    clips = [_altered(mels.clip(int(row)), options, rng) for row in rows]
    frames_B = torch.tensor([clip.shape[1] - MARGIN_FRAMES for clip in clips])
    batch = pad_batch(clips)
    target = torch.from_numpy(p_NK[rows]).float()
    if options.mixup and len(rows) > 1:
        share_B = rng.beta(options.mixup, options.mixup, len(rows)).astype(np.float32)
        share_B = np.maximum(share_B, 1 - share_B)  # a clip stays mostly itself, and keeps its length
        partner = torch.from_numpy(rng.permutation(len(rows)))
        share = torch.from_numpy(share_B)
        batch = share[:, None, None] * batch + (1 - share)[:, None, None] * batch[partner]
        target = share[:, None] * target + (1 - share)[:, None] * target[partner]
    return batch, frames_B, target


def _altered(clip: NDArray[np.float32], options: Altering, rng: np.random.Generator) -> NDArray[np.float32]:
    bands, frames = clip.shape[0], clip.shape[1]
    speed = 1 + rng.uniform(-options.stretch, options.stretch)
    at = np.minimum(np.arange(round(frames / speed)) * speed, frames - 1)
    low = at.astype(np.int64)
    share = (at - low).astype(np.float32)
    clip = clip[:, low] * (1 - share) + clip[:, np.minimum(low + 1, frames - 1)] * share
    shift = int(rng.integers(-options.shift_bands, options.shift_bands + 1))
    clip = clip[np.clip(np.arange(bands) - shift, 0, bands - 1)]
    clip = clip + np.float32(rng.uniform(-options.loudness, options.loudness))
    if clip.shape[1] > options.longest + MARGIN_FRAMES:
        first = int(rng.integers(0, clip.shape[1] - MARGIN_FRAMES - options.longest + 1))
        clip = clip[:, first : first + options.longest + MARGIN_FRAMES]
    hidden = np.float32(clip.mean())
    for _ in range(options.masks):
        width = int(rng.integers(0, options.masked_bands + 1))
        first = int(rng.integers(0, bands - width + 1))
        clip[first : first + width] = hidden
        width = int(rng.integers(0, min(options.masked_frames, clip.shape[1] // 4) + 1))
        first = int(rng.integers(0, clip.shape[1] - width + 1))
        clip[:, first : first + width] = hidden
    return clip
