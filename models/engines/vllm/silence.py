"""Noticing that vLLM's process has died or hangs: vLLM 0.30 itself then waits for ever.

Its client waits for outputs in a queue. Where the engine's process is killed (by the system, out of memory, for example),
a thread of vLLM notes that, but puts nothing into the queue.
"""

from __future__ import annotations

import queue
import time
from typing import Any

from ambivox.models.engines import LONGEST_STEP_SECONDS

_LOOK_SECONDS = 1.0


class EngineSilentError(RuntimeError):
    """The engine's process has ended, or gives no answer."""


class WatchedQueue:
    """The queue of a client's outputs; ``get`` ends where nothing more will come.

    Args:
        outputs: the client's queue.
        resources: the client's resources, whose ``engine_dead`` tells that the process has ended.
    """

    def __init__(self, outputs: queue.Queue[Any], resources: Any) -> None:
        self._outputs = outputs
        self._resources = resources

    def get(self) -> Any:
        """The next output.

        Raises:
            EngineSilentError: the process has ended, or there was none for LONGEST_STEP_SECONDS.
        """
        started = time.monotonic()
        while True:
            is_dead = self._resources.engine_dead
            try:
                return self._outputs.get(timeout=0.0 if is_dead else _LOOK_SECONDS)
            except queue.Empty:
                if is_dead:
                    raise EngineSilentError("its process has ended, perhaps for lack of memory") from None
                if (silent := time.monotonic() - started) > LONGEST_STEP_SECONDS:
                    raise EngineSilentError(f"no answer for {silent:.0f} s") from None

    def __getattr__(self, name: str) -> Any:
        """Everything else is that of the queue."""
        return getattr(self._outputs, name)


def watch(llm: Any) -> None:
    """Have a ``vllm.LLM`` notice that its process has died or hangs.

    Args:
        llm: a running ``vllm.LLM``.
    """
    client = llm.llm_engine.engine_core
    if hasattr(client, "outputs_queue"):  # an engine in this process has none
        client.outputs_queue = WatchedQueue(client.outputs_queue, client.resources)
