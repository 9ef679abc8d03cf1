"""One process, or several under ``accelerate launch`` / ``torchrun``: what each does, and how they agree.

Every process takes its share of a step's batches; gradients are summed so that a step is the same step however
many processes take it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor

from models.errors import UserError

T = TypeVar("T")


class Processes:
    """The group that this process belongs to."""

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self._accelerator: Any = None
        if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
            raise UserError(
                "accelerate is configured for FSDP, which fine-tuning does not support; configure MULTI_GPU (DDP): the "
                "base weights are frozen, and --quantise makes them small enough for one GPU"
            )
        if self.count > 1:
            from accelerate import Accelerator

            self._accelerator = Accelerator(cpu=not torch.cuda.is_available())

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all are here."""
        if self._accelerator:
            self._accelerator.wait_for_everyone()

    def wrap(self, model: Any) -> Any:
        """The model as it is called in training: itself, or in DDP."""
        return self._accelerator.prepare(model) if self._accelerator else model

    def share(self, parts: Sequence[T]) -> list[tuple[int, T, bool]]:
        """This process's parts of a step: number, part, and whether it counts.

        Every process gets as many, so that none waits for ever; what fills up does not count.
        """
        turns = -(-len(parts) // self.count)
        mine = range(self.rank, turns * self.count, self.count)
        return [(number % len(parts), parts[number % len(parts)], number < len(parts)) for number in mine]

    def in_turn(self) -> AbstractContextManager[Any]:
        """The first process does what is within first, and the others find it done."""
        if self._accelerator:
            context: AbstractContextManager[Any] = self._accelerator.main_process_first()
            return context
        return nullcontext()

    def synchronise(self, wrapped: Any, last: bool) -> AbstractContextManager[Any]:
        """Gradients are exchanged after the last batch of a step only."""
        if self._accelerator and not last:
            context: AbstractContextManager[Any] = self._accelerator.no_sync(wrapped)
            return context
        return nullcontext()

    def autocast(self, model: Any) -> AbstractContextManager[Any]:
        """bfloat16 arithmetic where the weights are bfloat16."""
        backbone = model.backbone
        return torch.autocast(backbone.device.type, torch.bfloat16, enabled=backbone.dtype == torch.bfloat16)

    def total(self, value: Tensor) -> float:
        """The sum over all processes."""
        if self._accelerator:
            value = self._accelerator.reduce(value, reduction="sum")
        return float(value)
