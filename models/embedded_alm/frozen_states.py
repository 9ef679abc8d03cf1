"""What the frozen layers of a Whisper give for each recording: computed once, read in every epoch of the tuning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.embedded_alm.audio_tower import embed, encoder_frames, run_layers
from ambivox.models.embedded_alm.mel_spectrograms import MelSpectrograms, pad_batch
from ambivox.models.progress import track

if TYPE_CHECKING:
    import torch

_BATCH = 32


class FrozenStates:
    """What the frozen layers give for N recordings: frames of all recordings by width, float16, and their counts."""

    def __init__(self, values: NDArray[np.float16], encoded_N: NDArray[np.int64]) -> None:
        """Take values in the order of the recordings."""
        self.values, self.encoded_N = values, encoded_N
        self._starts_N = np.concatenate([[0], np.cumsum(encoded_N)[:-1]]).astype(np.int64)

    def batch(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """The states of B recordings, B by T by D, zero behind each one, and their frames (B,)."""
        import torch

        x_BTD = np.zeros((len(rows), int(self.encoded_N[rows].max()), self.values.shape[1]), np.float32)
        for x_TD, row in zip(x_BTD, rows, strict=True):
            start = self._starts_N[row]
            x_TD[: self.encoded_N[row]] = self.values[start : start + self.encoded_N[row]]
        return torch.from_numpy(x_BTD), torch.from_numpy(self.encoded_N[rows])


def compute_frozen_states(
    tower: Any, tuned_layers: int, mels: MelSpectrograms, cache: Path | None
) -> FrozenStates:
    """Pass recordings through the layers below the tuned ones.

    Args:
        tower: a Qwen2AudioEncoder.
        tuned_layers: how many upper layers to leave out.
        mels: spectrograms of N recordings.
        cache: a folder for the states, so that they need not fit into memory; None keeps them there.

    Returns:
        The states.
    """
    import torch

    lower = tower.layers[: len(tower.layers) - tuned_layers]
    encoded_N = encoder_frames(torch.from_numpy(mels.frames_N)).numpy()
    shape = (int(encoded_N.sum()), int(tower.config.d_model))
    values = (
        np.memmap(cache / "states.float16", np.float16, "w+", shape=shape)
        if cache
        else np.zeros(shape, np.float16)
    )
    stops_N = np.cumsum(encoded_N)
    by_length = np.argsort(mels.frames_N, kind="stable")
    with torch.inference_mode():
        starts = range(0, len(by_length), _BATCH)
        for start in track(starts, "Frozen layers", total=len(starts)):
            rows = by_length[start : start + _BATCH]
            x_BTD = embed(tower, pad_batch([mels[int(row)] for row in rows]))
            x_BTD = run_layers(lower, x_BTD, torch.from_numpy(encoded_N[rows]))
            for row, x_TD in zip(rows, x_BTD, strict=True):
                values[stops_N[row] - encoded_N[row] : stops_N[row]] = x_TD[: encoded_N[row]].numpy()
    return FrozenStates(values, encoded_N)
