"""What an epoch of training leaves behind, so that a killed run goes on: tensors in one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.files import atomic_path

if TYPE_CHECKING:
    import torch

    from models.tiny.listening import Listener


class Checkpoint:
    """Weights, their average, the best average so far, the optimiser's moments, the history."""

    def __init__(self, file: Path | None, listener: Listener, optimiser: Any) -> None:
        self.file, self.listener, self.optimiser = file, listener, optimiser

    def resume(self) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
        """The history and the best weights so far; weights and optimiser are set as they were."""
        from safetensors import safe_open

        best = {name: value.clone() for name, value in self.listener.average.items()}
        if self.file is None or not self.file.is_file():
            return [], best
        with safe_open(self.file, framework="pt") as held:
            tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118 (not a dict)
            history = json.loads(held.metadata()["history"])
        self.listener.parts.load_state_dict(_under("weights", tensors))
        self.listener.average = _under("average", tensors)
        self.listener.steps = int(tensors["steps"])
        state = self.optimiser.state_dict()
        moments = _under("optimiser", tensors)
        for name, value in moments.items():
            index, field = name.split(".")
            state["state"].setdefault(int(index), {})[field] = value
        self.optimiser.load_state_dict(state)
        return history, _under("best", tensors)

    def save(self, history: list[dict[str, float]], best: dict[str, torch.Tensor]) -> None:
        """Write to a temporary name, then rename."""
        if self.file is None:
            return
        import torch
        from safetensors.torch import save_file

        tensors = {"steps": torch.tensor(self.listener.steps)}
        tensors |= {
            f"weights/{name}": value.clone() for name, value in self.listener.parts.state_dict().items()
        }
        tensors |= {f"average/{name}": value.clone() for name, value in self.listener.average.items()}
        tensors |= {f"best/{name}": value for name, value in best.items()}
        for index, fields in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}.{field}": value for field, value in fields.items()}
        with atomic_path(self.file) as temporary:
            save_file(tensors, temporary, metadata={"history": json.dumps(history)})


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.split("/", 1)[1]: value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
