"""Qwen3-Omni-30B-A3B-Instruct (Qwen, arXiv 2509.17765), the thinker only, with thinking turned off."""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="Qwen/Qwen3-Omni-30B-A3B-Instruct",
    revision="26291f793822fb6be9555850f06dfe95f2d7e695",
    architectures=("Qwen3OmniMoeForConditionalGeneration", "Qwen3OmniMoeThinkerForConditionalGeneration"),
    licence="Apache-2.0",
    transformers_class="Qwen3OmniMoeThinkerForConditionalGeneration",
    tested="supported by vLLM and transformers; not run",
    longest_seconds=300.0,
    chat_arguments={"enable_thinking": False},
)
