"""Qwen2.5-Omni-7B (Qwen, arXiv 2503.20215), the thinker only: it generates text, not speech.

The audio front end and the audio tokens are those of Qwen2-Audio. So transformers runs it with Qwen2-Audio's processor,
which does not need the vision libraries of its own processor.
"""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="Qwen/Qwen2.5-Omni-7B",
    revision="ae9e1690543ffd5c0221dc27f79834d0294cba00",
    architectures=(
        "Qwen2_5OmniModel",
        "Qwen2_5OmniForConditionalGeneration",
        "Qwen2_5OmniThinkerForConditionalGeneration",
    ),
    licence="Apache-2.0",
    transformers_class="Qwen2_5OmniThinkerForConditionalGeneration",
    tested="run on the CPU with a small random-weight model of the same architecture, transformers",
    longest_seconds=300.0,
    processor_class="Qwen2AudioProcessor",
)
