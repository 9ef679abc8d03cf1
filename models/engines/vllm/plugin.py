"""What vLLM loads in each of its processes (the entry point ``vllm.general_plugins`` of pyproject.toml)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from typing import Any

# How long an engine whose owner died may take to end in good order.
_GRACE_SECONDS = 5.0


def register() -> None:
    """Name this project's classes for Qwen2-Audio and for a CPU's attention; end an engine whose owner was killed."""
    from vllm import ModelRegistry
    from vllm.v1.attention.backends.registry import AttentionBackendEnum, register_backend

    ModelRegistry.register_model(
        "Qwen2AudioForConditionalGeneration", "ambivox.models.engines.vllm.qwen2_audio:TrimmedQwen2Audio"
    )
    register_backend(
        AttentionBackendEnum.CPU_ATTN, "ambivox.models.engines.vllm.cpu_attention.SmallBlockAttention"
    )
    owner = multiprocessing.parent_process()
    if owner is not None and multiprocessing.current_process().name.startswith(("EngineCore", "VllmWorker")):
        threading.Thread(target=_end_with, args=(owner,), name="ends with its owner", daemon=True).start()


def _end_with(owner: Any) -> None:
    """End this process when its owner does: vLLM's own would live on after kill -9, and hold the GPU's memory."""
    owner.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)
