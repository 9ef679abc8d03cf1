"""Where a run stands, on disk: enough to go on after kill -9 as though nothing had happened, and no pickle.

A checkpoint is one safetensors file: trained weights, best weights so far, the optimiser's moments as
tensors, everything else as JSON in its metadata. It is renamed into place whole. Random generators need no room
in it: what a step draws depends on the seed and the step's number alone.
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
    """Where a run stands: numbers only, so that it can be written as JSON."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    best_epoch: int = -1
    best_score: float = float("inf")
    curves: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """Writes at most every ``seconds``, and never spends more than a twentieth of the time on it."""

    def __init__(self, file: Path, seconds: float) -> None:
        self._file = file
        self._seconds = seconds
        self._last = time.monotonic()
        self._cost = 0.0

    def due(self) -> bool:
        """Whether it is time for another."""
        return time.monotonic() - self._last >= max(self._seconds, 20 * self._cost if self._seconds else 0)

    def write(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        from safetensors.torch import save_file

        start = time.monotonic()
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with atomic_path(self._file) as temporary:
            save_file(whole, temporary, metadata={"progress": json.dumps(progress)})
        self._last = time.monotonic()
        self._cost = self._last - start

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last checkpoint, or None where there is none."""
        from safetensors import safe_open

        if not self._file.is_file():
            return None
        with safe_open(self._file, framework="pt") as found:
            progress: dict[str, Any] = json.loads(found.metadata()["progress"])
            return {name: found.get_tensor(name) for name in found.keys()}, progress  # noqa: SIM118

    def remove(self) -> None:
        """The run is complete: its result is in its own folder now."""
        self._file.unlink(missing_ok=True)
        with suppress(OSError):
            self._file.parent.rmdir()
