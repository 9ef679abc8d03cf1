"""vLLM in this process.

``engine`` starts vLLM with ``arguments`` and runs requests, ``inputs`` prepares its inputs, and ``plugin`` registers the classes of
``qwen2_audio`` and ``cpu_attention`` in vLLM's processes.
"""

from ambivox.models.engines.vllm.arguments import identity, version
from ambivox.models.engines.vllm.engine import start

__all__ = ["identity", "start", "version"]
