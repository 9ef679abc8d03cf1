"""Log-mel spectrograms as the tiny ALM's front end makes them, without the padding to 30 seconds.

A clip is padded with five frames of silence only: behind those the front end says the same floor for every
frame, which ``pad_batch`` adds again, so what the tower hears is what it would hear in the full window.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.audio import RATE_HZ, decode
from models.files import atomic_path
from models.progress import bar
from models.tiny.architecture import MEL_BANDS, WINDOW_SECONDS, build_feature_extractor

if TYPE_CHECKING:
    import torch

HOP_SAMPLES = 160
MARGIN_FRAMES = 5  # silence kept behind each clip: the convolutions and the last analysis windows see it


class Mels:
    """N spectrograms in one array (bands x all frames, float16) and where each begins.

    ``frames_N`` counts the frames that are sound; MARGIN_FRAMES more are stored for each clip.
    """

    def __init__(self, values: NDArray[np.float16], frames_N: NDArray[np.int64]) -> None:
        self.values = values
        self.frames_N = frames_N
        self.starts_N = np.concatenate([[0], np.cumsum(frames_N + MARGIN_FRAMES)[:-1]]).astype(np.int64)

    def __len__(self) -> int:
        """N."""
        return len(self.frames_N)

    def clip(self, index: int) -> NDArray[np.float32]:
        """One spectrogram with its margin, bands x frames."""
        start = self.starts_N[index]
        stop = start + self.frames_N[index] + MARGIN_FRAMES
        return self.values[:, start:stop].astype(np.float32)


def log_mels(audio: Sequence[str], cache: Path | None = None) -> Mels:
    """The spectrograms of these recordings, the first 30 s of each; kept in the folder ``cache`` where given.

    Raises:
        AudioError: a recording cannot be heard; the message names it.
    """
    file = cache / "mels.npz" if cache else None
    if file and file.is_file():
        with np.load(file, allow_pickle=False) as held:
            return Mels(held["values"], held["frames"])
    extractor = build_feature_extractor()
    found: list[tuple[NDArray[np.float16], int]] = []
    with ThreadPoolExecutor(2) as pool, bar() as progress:
        task = progress.add_task("Spectrograms", total=len(audio), note="")
        for one in pool.map(lambda name: _one(extractor, name), audio):
            found.append(one)
            progress.advance(task)
    values = (
        np.concatenate([mel for mel, _ in found], axis=1) if found else np.zeros((MEL_BANDS, 0), np.float16)
    )
    mels = Mels(values, np.array([frames for _, frames in found], dtype=np.int64))
    if file:
        with atomic_path(file) as temporary, temporary.open("wb") as opened:
            np.savez(opened, values=mels.values, frames=mels.frames_N)
    return mels


def _one(extractor: Any, name: str) -> tuple[NDArray[np.float16], int]:
    samples = decode(name)[: WINDOW_SECONDS * RATE_HZ]
    frames = -(-len(samples) // HOP_SAMPLES)
    padded = np.pad(samples, (0, (frames + MARGIN_FRAMES) * HOP_SAMPLES - len(samples)))
    features = extractor(
        padded, sampling_rate=RATE_HZ, padding="do_not_pad", truncation=False, return_tensors="np"
    )
    return features["input_features"][0].astype(np.float16), frames


def pad_batch(clips: Sequence[NDArray[np.float32]]) -> torch.Tensor:
    """Stack spectrograms, B x bands x frames; each is continued by its own floor."""
    import torch

    longest = max(clip.shape[1] for clip in clips)
    batch = np.stack([clip.min() * np.ones((clip.shape[0], longest), np.float32) for clip in clips])
    for row, clip in zip(batch, clips, strict=True):
        row[:, : clip.shape[1]] = clip
    return torch.from_numpy(batch)
