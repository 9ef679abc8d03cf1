"""The state of a run: trained weights, best weights, optimiser and progress; snapshots of it, and resuming from them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ambivox.models.finetuning.distributed.sharding import distribute_like, full_tensor, reshard
from ambivox.models.finetuning.model.distribution_model import DistributionModel
from ambivox.models.finetuning.settings import FinetuneSettings
from ambivox.models.finetuning.training.checkpoint import Progress


class TrainingState:
    """The state of a run at its beginning.

    Attributes:
        progress: Steps, epochs and curves so far.
        trainable: The trained parameters by name; in a sharded model, this process's shards.
        optimiser: AdamW on these parameters.
        best: A copy of the weights of the best epoch so far.
    """

    def __init__(self, model: DistributionModel, settings: FinetuneSettings) -> None:
        """Build the state at the beginning of a run.

        Args:
            model: The model, sharded if it will be.
            settings: The optimiser's settings.
        """
        self._model = model
        self.progress = Progress()
        self.trainable = model.trainable()
        self.optimiser = torch.optim.AdamW(
            self.trainable.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.best = self._copy_weights()

    def mark_best(self, score: float) -> None:
        """Record the current epoch, with this score, as the best one."""
        self.progress.best_score, self.progress.best_epoch = score, self.progress.epoch
        self.best = self._copy_weights()

    def load_best(self) -> None:
        """Load the best epoch's weights into the model."""
        self._load_weights(self.best)

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Collect everything that ``restore`` needs, unsharded, so that any number of processes can resume."""
        tensors: dict[str, Tensor] = {}
        for name, value in self.trainable.items():
            tensors |= {f"now.{name}": value, f"best.{name}": self.best[name]}
            moments = self.optimiser.state.get(value, {})
            tensors |= {f"{key}.{name}": moments[key] for key in ("exp_avg", "exp_avg_sq") if key in moments}
        return {name: full_tensor(tensor) for name, tensor in tensors.items()}, dict(vars(self.progress))

    def restore(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Resume from a snapshot."""
        self.progress = Progress(**progress)
        self._load_weights({name: tensors[f"now.{name}"] for name in self.trainable})
        for name, value in self.trainable.items():
            self.best[name] = distribute_like(tensors[f"best.{name}"], value)
            self.optimiser.state[value] = {
                "step": torch.tensor(float(self.progress.step)),
                "exp_avg": distribute_like(tensors[f"exp_avg.{name}"], value),
                "exp_avg_sq": distribute_like(tensors[f"exp_avg_sq.{name}"], value),
            }

    @torch.no_grad()
    def _load_weights(self, weights: dict[str, Tensor]) -> None:
        reshard(self._model)
        for name, value in self.trainable.items():
            value.copy_(distribute_like(weights[name], value))

    def _copy_weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.trainable.items()}
