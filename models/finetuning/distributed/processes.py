"""One process, or several under ``accelerate launch`` / ``torchrun``: what each does, and how they agree.

Every process takes its share of a step's batches; gradients are summed so that a step is the same step however
many processes take it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ambivox.models.finetuning.distributed import sharding

T = TypeVar("T")


class Processes:
    """The group that this process belongs to.

    Raises:
        UserError: it is configured for a kind of FSDP that fine-tuning does not do.
    """

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self._accelerator: Any = None
        asked = sharding.is_asked_for()
        self.sharded = asked and self.count > 1
        if self.count > 1:
            from accelerate import Accelerator, InitProcessGroupKwargs
            from accelerate.utils import disable_fsdp_ram_efficient_loading

            # The others wait while the first one hears a whole corpus.
            patience = InitProcessGroupKwargs(timeout=timedelta(days=2))
            # It would leave the weights of all processes but the first empty, and those are needed before sharding.
            disable_fsdp_ram_efficient_loading()
            self._accelerator = Accelerator(cpu=not torch.cuda.is_available(), kwargs_handlers=[patience])

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all are here."""
        if self._accelerator:
            self._accelerator.wait_for_everyone()

    def wrap(self, model: Any) -> Any:
        """The model as it is called in training: itself (sharded or not), or in DDP."""
        return self._accelerator.prepare(model) if self._accelerator and not self.sharded else model

    def shard(self, model: Any) -> int:
        """Spread the model over the processes, where FSDP was asked for; how many parameters this one keeps."""
        if self.sharded:
            sharding.shard(model, self.count)
        return sharding.held(model)

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
        if self.sharded:
            wrapped.set_requires_gradient_sync(last)
        elif self._accelerator and not last:
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

    def agreed(self, word: bool) -> bool:
        """The first process's word, for all: what needs every process is not decided by each one's clock."""
        if not self._accelerator:
            return word
        return self.total(torch.tensor(float(self.first and word), device=self._accelerator.device)) > 0

    def summed(self, values_NK: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over all processes, number by number."""
        if not self._accelerator:
            return values_NK
        values = torch.from_numpy(values_NK).to(self._accelerator.device)
        total: NDArray[np.float64] = self._accelerator.reduce(values, reduction="sum").cpu().numpy()
        return total
