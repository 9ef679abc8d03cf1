"""What vLLM loads in each of its processes (the entry point ``vllm.general_plugins`` in pyproject.toml)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from typing import Any

# The time that an engine process has for an orderly shutdown after its parent has died.
_SHUTDOWN_SECONDS = 5.0


def register() -> None:
    """Register this project's classes in vLLM, and end an engine process whose parent was killed."""
    from vllm import ModelRegistry
    from vllm.v1.attention.backends.registry import AttentionBackendEnum, register_backend

    ModelRegistry.register_model(
        "Qwen2AudioForConditionalGeneration", "ambivox.models.engines.vllm.qwen2_audio:TrimmedQwen2Audio"
    )
    register_backend(
        AttentionBackendEnum.CPU_ATTN, "ambivox.models.engines.vllm.cpu_attention.SmallBlockAttention"
    )
    parent = multiprocessing.parent_process()
    name = multiprocessing.current_process().name
    if parent is not None and name.startswith(("EngineCore", "VllmWorker")):
        threading.Thread(target=_exit_after, args=(parent,), name="exit after parent", daemon=True).start()


def _exit_after(parent: Any) -> None:
    """End this process after its parent: vLLM's own processes survive a SIGKILL of it and keep the GPU's memory."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SHUTDOWN_SECONDS)
    os._exit(1)
