"""Log-mel spectrograms as the tiny ALM's front end makes them, without the padding to 30 seconds.

A clip is padded with five frames of silence only: behind those the front end says the same floor for every
frame, which ``pad_batch`` adds again, so what the tower hears is what it would hear in the full window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.audio.decoding import RATE_HZ, AudioError, decode_many
from ambivox.models.embedded_alm.architecture import MEL_BANDS, WINDOW_SECONDS, build_feature_extractor
from ambivox.models.files import atomic_path
from ambivox.models.progress import track

if TYPE_CHECKING:
    import torch

HOP_SAMPLES = 160
MARGIN_FRAMES = 5  # silence kept behind each clip: the convolutions and the last analysis windows see it


class Mels:
    """N spectrograms in one array (all frames x bands, float16; in memory or on disk) and where each begins.

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
        return np.ascontiguousarray(self.values[start:stop].T, dtype=np.float32)


def log_mels(audio: Sequence[str], cache: Path | None = None) -> Mels:
    """The spectrograms of these recordings, the first 30 s of each.

    With a folder ``cache`` they are written there as they come, and read from there when they are complete, so
    memory stays bounded however many there are.

    Raises:
        AudioError: a recording cannot be heard; the message names it.
    """
    if cache is None:
        made = list(_compute(audio))
        values = np.concatenate([np.zeros((0, MEL_BANDS), np.float16), *made])
        return Mels(values, np.array([len(one) - MARGIN_FRAMES for one in made], dtype=np.int64))
    values_file, frames_file = cache / "mels.float16", cache / "frames.npy"
    if not frames_file.is_file():
        frames = []
        with atomic_path(values_file) as temporary, temporary.open("wb") as opened:
            for one in _compute(audio):
                opened.write(one.tobytes())
                frames.append(len(one) - MARGIN_FRAMES)
        with atomic_path(frames_file) as temporary, temporary.open("wb") as opened:
            np.save(opened, np.array(frames, dtype=np.int64))
    values = np.memmap(values_file, dtype=np.float16, mode="r").reshape(-1, MEL_BANDS)
    return Mels(values, np.load(frames_file, allow_pickle=False))


def _compute(audio: Sequence[str]) -> Iterator[NDArray[np.float16]]:
    """Frames x bands, one clip after the other, a few in advance."""
    extractor = build_feature_extractor()
    for _, samples in track(decode_many(audio, workers=2), "Spectrograms", total=len(audio)):
        if isinstance(samples, AudioError):
            raise samples
        yield _one(extractor, samples)


def _one(extractor: Any, samples: NDArray[np.float32]) -> NDArray[np.float16]:
    samples = samples[: WINDOW_SECONDS * RATE_HZ]
    frames = -(-len(samples) // HOP_SAMPLES)
    padded = np.pad(samples, (0, (frames + MARGIN_FRAMES) * HOP_SAMPLES - len(samples)))
    features = extractor(
        padded, sampling_rate=RATE_HZ, padding="do_not_pad", truncation=False, return_tensors="np"
    )
    return np.ascontiguousarray(features["input_features"][0].T, dtype=np.float16)


def pad_batch(clips: Sequence[NDArray[np.float32]]) -> torch.Tensor:
    """Stack spectrograms, B x bands x frames; each is continued by its own floor."""
    import torch

    longest = max(clip.shape[1] for clip in clips)
    batch = np.stack([clip.min() * np.ones((clip.shape[0], longest), np.float32) for clip in clips])
    for row, clip in zip(batch, clips, strict=True):
        row[:, : clip.shape[1]] = clip
    return torch.from_numpy(batch)
