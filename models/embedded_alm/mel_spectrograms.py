"""Log-mel spectrograms of Whisper's feature extractor, without the padding to 30 seconds.

Each spectrogram ends with MARGIN_FRAMES frames of silence. After these frames, the extractor of a padded 30 s window
gives the same minimum value in every frame. ``pad_batch`` adds that value back, so the audio tower receives the
same input as from the full window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip
from ambivox.models.audio.decoding import RATE_HZ, decode_many
from ambivox.models.embedded_alm.architecture import WINDOW_SECONDS, build_feature_extractor
from ambivox.models.files import atomic_path
from ambivox.models.parallel import one_torch_thread
from ambivox.models.progress import track

if TYPE_CHECKING:
    import torch

HOP_SAMPLES = 160
MARGIN_FRAMES = 5  # frames of silence behind each recording that convolutions and analysis windows reach


class MelSpectrograms:
    """N log-mel spectrograms in one array, in memory or memory-mapped.

    Attributes:
        values: frames of all recordings by mel bands, float16.
        frames_N: frames of each recording, without the MARGIN_FRAMES frames stored behind it.
    """

    def __init__(self, values: NDArray[np.float16], frames_N: NDArray[np.int64]) -> None:
        """Take values in the order of the recordings."""
        self.values = values
        self.frames_N = frames_N
        self._starts_N = np.concatenate([[0], np.cumsum(frames_N + MARGIN_FRAMES)[:-1]]).astype(np.int64)

    def __len__(self) -> int:
        """The number of spectrograms, N."""
        return len(self.frames_N)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """One spectrogram with its margin, bands by frames."""
        start = self._starts_N[index]
        stop = start + self.frames_N[index] + MARGIN_FRAMES
        return np.ascontiguousarray(self.values[start:stop].T, dtype=np.float32)


def log_mel_spectrograms(
    audio: Sequence[Clip | str], mel_bands: int, cache: Path | None = None
) -> MelSpectrograms:
    """Log-mel spectrograms of the first 30 s of each recording.

    Args:
        audio: the recordings: clips, paths or addresses.
        mel_bands: M, 80 or 128 for published encoders.
        cache: a folder. Spectrograms are written there one by one, so that memory stays bounded, and read from
            there if a previous call completed them.

    Raises:
        AudioError: a recording cannot be decoded; the message names it.
    """
    if cache is None:
        spectrograms = list(_compute(audio, mel_bands))
        values = np.concatenate([np.zeros((0, mel_bands), np.float16), *spectrograms])
        frames = [len(spectrogram_TM) - MARGIN_FRAMES for spectrogram_TM in spectrograms]
        return MelSpectrograms(values, np.array(frames, dtype=np.int64))
    values_file, frames_file = cache / "mels.float16", cache / "frames.npy"
    if not frames_file.is_file():
        frames = []
        with atomic_path(values_file) as temporary, temporary.open("wb") as file:
            for spectrogram_TM in _compute(audio, mel_bands):
                file.write(spectrogram_TM.tobytes())
                frames.append(len(spectrogram_TM) - MARGIN_FRAMES)
        with atomic_path(frames_file) as temporary, temporary.open("wb") as file:
            np.save(file, np.array(frames, dtype=np.int64))
    values = np.memmap(values_file, dtype=np.float16, mode="r").reshape(-1, mel_bands)
    return MelSpectrograms(values, np.load(frames_file, allow_pickle=False))


def pad_batch(spectrograms: Sequence[NDArray[np.float32]]) -> torch.Tensor:
    """Stack spectrograms into one batch; the minimum of each one fills the frames behind it.

    Args:
        spectrograms: B log-mel spectrograms, each bands by frames.

    Returns:
        B by bands by frames of the longest.
    """
    import torch

    longest = max(spectrogram_MT.shape[1] for spectrogram_MT in spectrograms)
    batch_BMT = np.stack([np.full((len(each), longest), each.min(), np.float32) for each in spectrograms])
    for row_MT, spectrogram_MT in zip(batch_BMT, spectrograms, strict=True):
        row_MT[:, : spectrogram_MT.shape[1]] = spectrogram_MT
    return torch.from_numpy(batch_BMT)


def _compute(audio: Sequence[Clip | str], mel_bands: int) -> Iterator[NDArray[np.float16]]:
    """One spectrogram per recording, frames by bands; decoding runs ahead in the background."""
    extractor = build_feature_extractor(mel_bands)
    for _, samples in track(decode_many(audio, workers=2), "Spectrograms", total=len(audio)):
        if isinstance(samples, AudioError):
            raise samples
        yield spectrogram(extractor, samples)


@one_torch_thread()
def spectrogram(extractor: Any, samples: NDArray[np.float32]) -> NDArray[np.float16]:
    """The log-mel spectrogram of the first 30 s of a recording.

    Args:
        extractor: see ``build_feature_extractor``.
        samples: mono audio at RATE_HZ.

    Returns:
        Frames by mel bands, MARGIN_FRAMES of silence included.
    """
    samples = samples[: WINDOW_SECONDS * RATE_HZ]
    frames = -(-len(samples) // HOP_SAMPLES)
    padded = np.pad(samples, (0, (frames + MARGIN_FRAMES) * HOP_SAMPLES - len(samples)))
    features = extractor(
        padded, sampling_rate=RATE_HZ, padding="do_not_pad", truncation=False, return_tensors="np"
    )
    return np.ascontiguousarray(features["input_features"][0].T, dtype=np.float16)
