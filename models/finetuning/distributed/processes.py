"""One process, or several under ``accelerate launch`` or ``torchrun``: division of work and synchronisation.

Each process takes a share of a step's batches and gradients are summed, so that a step does not depend on the number
of processes.
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
    """The process group of this process; its size and rank come from the launcher's environment variables."""

    def __init__(self) -> None:
        """Join the process group.

        Raises:
            UserError: The launcher is configured for an unsupported version of FSDP.
        """
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self._accelerator: Any = None
        fsdp_requested = sharding.is_requested()
        self.sharded = fsdp_requested and self.count > 1
        if self.count > 1:
            from accelerate import Accelerator, InitProcessGroupKwargs
            from accelerate.utils import disable_fsdp_ram_efficient_loading

            # The other processes wait while the main process computes the audio states of a whole corpus.
            group_options = InitProcessGroupKwargs(timeout=timedelta(days=2))
            # RAM-efficient loading leaves the weights empty in all processes except the main one. They are needed
            # in every process before sharding.
            disable_fsdp_ram_efficient_loading()
            self._accelerator = Accelerator(
                cpu=not torch.cuda.is_available(), kwargs_handlers=[group_options]
            )

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def wait_for_all(self) -> None:
        """Block until all processes have called this method."""
        if self._accelerator:
            self._accelerator.wait_for_everyone()

    def wrap(self, model: Any) -> Any:
        """Wrap the model in DDP if there are several processes and it is not sharded."""
        return self._accelerator.prepare(model) if self._accelerator and not self.sharded else model

    def shard(self, model: Any) -> int:
        """Shard the model over the processes if FSDP was requested.

        Returns:
            The number of parameters in this process.
        """
        if self.sharded:
            sharding.shard(model, self.count)
        return sharding.local_parameter_count(model)

    def share(self, parts: Sequence[T]) -> list[tuple[int, T, bool]]:
        """Select this process's parts of a step.

        Args:
            parts: All parts of the step.

        Returns:
            Number, part, and whether the part counts. Every process gets the same number of parts, because each takes
            part in the exchange of gradients; the repeated parts that fill the last round do not count.
        """
        rounds = -(-len(parts) // self.count)
        numbers = range(self.rank, rounds * self.count, self.count)
        return [(number % len(parts), parts[number % len(parts)], number < len(parts)) for number in numbers]

    def main_first(self) -> AbstractContextManager[Any]:
        """A block that the main process runs before the others, which then find its results in the cache."""
        if self._accelerator:
            context: AbstractContextManager[Any] = self._accelerator.main_process_first()
            return context
        return nullcontext()

    def exchange_gradients(self, wrapped: Any, last: bool) -> AbstractContextManager[Any]:
        """A block with a backward pass; gradients are exchanged only if it is the ``last`` one of a step."""
        if self.sharded:
            wrapped.set_requires_gradient_sync(last)
        elif self._accelerator and not last:
            context: AbstractContextManager[Any] = self._accelerator.no_sync(wrapped)
            return context
        return nullcontext()

    def sum_scalar(self, value: Tensor) -> float:
        """Sum a number over all processes."""
        if self._accelerator:
            value = self._accelerator.reduce(value, reduction="sum")
        return float(value)

    def sum_array(self, values_NK: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum an array over all processes, element by element."""
        if not self._accelerator:
            return values_NK
        values = torch.from_numpy(values_NK).to(self._accelerator.device)
        total_NK: NDArray[np.float64] = self._accelerator.reduce(values, reduction="sum").cpu().numpy()
        return total_NK

    def decision_of_main(self, decision: bool) -> bool:
        """Return the main process's decision in all processes, so that their clocks cannot make them disagree."""
        if not self._accelerator:
            return decision
        value = torch.tensor(float(self.is_main and decision), device=self._accelerator.device)
        return self.sum_scalar(value) > 0
