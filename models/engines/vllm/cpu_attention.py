"""vLLM's attention on a CPU with blocks of 16 tokens in its prefix cache.

Prefixes are shared in whole blocks. So each prompt of an utterance recomputes the tokens between the last shared block
and the place where the prompts diverge. With blocks of 32, the smallest that vLLM offers on a CPU, these are more than
half of the tokens that exact elicitation computes after the first prompt. vLLM's kernels support 16, which it uses for
other kinds of attention; this class offers 16 here too. vLLM finds the class through ``plugin``.
"""

from __future__ import annotations

from typing import Any

from vllm.v1.attention.backend import MultipleOf
from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

BLOCK_SIZE = 16


class SmallBlockAttention(CPUAttentionBackend):  # type: ignore[misc]  # vLLM's types are not read
    """The base class with blocks of any multiple of 16 tokens."""

    @staticmethod
    def get_supported_kernel_block_sizes() -> list[Any]:
        """The block sizes that vLLM may choose."""
        return [MultipleOf(BLOCK_SIZE)]
