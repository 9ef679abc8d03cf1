"""vLLM's attention on a CPU with blocks of 16 tokens in its prefix cache.

Prefixes are shared in whole blocks, so the prompts of a clip compute again what stands between the last whole block and
the place where they part: with blocks of 32, which is what vLLM offers on a CPU, more than half of all that exact
elicitation computes beyond the first prompt. Its kernels know 16 (they take them for its other kinds of attention); this
class offers them too. vLLM finds it through models/engines/vllm/plugin.py.
"""

from __future__ import annotations

from typing import Any

from vllm.v1.attention.backend import MultipleOf
from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

BLOCK = 16


class SmallBlockAttention(CPUAttentionBackend):  # type: ignore[misc]  # vLLM's types are not read
    """As its base class, for blocks of any multiple of 16 tokens."""

    @staticmethod
    def get_supported_kernel_block_sizes() -> list[Any]:
        """What vLLM chooses its blocks from."""
        return [MultipleOf(BLOCK)]
