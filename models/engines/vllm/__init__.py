"""vLLM in this process."""

from ambivox.models.engines.vllm.engine import start, version

__all__ = ["start", "version"]
