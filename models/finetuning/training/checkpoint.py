"""Checkpoints on disk: a run that was killed resumes and gives the same model as an uninterrupted one; no pickle.

A checkpoint is one safetensors file: trained weights, best weights so far and the optimiser's moments as tensors,
everything else as JSON in its metadata. It replaces the previous one atomically. It contains no state of random
generators: random draws depend on the seed and the number of the step only.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ambivox.models.files import atomic_path


@dataclass
class Progress:
    """The progress of a run; its fields can be written as JSON.

    Attributes:
        epoch: Complete epochs.
        step_in_epoch: Steps in the current epoch.
        step: Steps in all epochs.
        loss_sum: Weighted sum of losses in the current epoch.
        weight_sum: Sum of weights in the current epoch.
        best_epoch: The best epoch so far, from 0; -1 for none.
        best_score: The score of that epoch; less is better.
        curves: One row per complete epoch.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    best_epoch: int = -1
    best_score: float = float("inf")
    curves: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """The checkpoint file of a run; writing it takes at most a twentieth of the run's time."""

    def __init__(self, file: Path, seconds: float) -> None:
        """Start the clock; no file is read or written.

        Args:
            file: The file.
            seconds: Shortest time between two checkpoints; 0 writes one after every step.
        """
        self._file = file
        self._seconds = seconds
        self._last_written = time.monotonic()
        self._seconds_to_write = 0.0

    def is_due(self) -> bool:
        """Whether enough time has passed since the last checkpoint."""
        pause = max(self._seconds, 20 * self._seconds_to_write if self._seconds else 0)
        return time.monotonic() - self._last_written >= pause

    def write(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        from safetensors.torch import save_file

        start = time.monotonic()
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with atomic_path(self._file) as temporary:
            save_file(contiguous, temporary, metadata={"progress": json.dumps(progress)})
        self._last_written = time.monotonic()
        self._seconds_to_write = self._last_written - start

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Read the checkpoint, or return None if there is none."""
        from safetensors import safe_open

        if not self._file.is_file():
            return None
        with safe_open(self._file, framework="pt") as checkpoint:
            progress: dict[str, Any] = json.loads(checkpoint.metadata()["progress"])
            names = checkpoint.keys()
            return {name: checkpoint.get_tensor(name) for name in names}, progress

    def remove(self) -> None:
        """Remove the checkpoint of a complete run."""
        self._file.unlink(missing_ok=True)
        with suppress(OSError):
            self._file.parent.rmdir()
