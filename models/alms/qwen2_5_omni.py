"""Qwen2.5-Omni-7B (Qwen, arXiv 2503.20215), its thinker only: text out of audio, no speech generated.

Its audio front end and audio tokens are those of Qwen2-Audio, whose processor serves it with transformers
without the vision libraries that its own asks for.
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
    checked="run on the CPU with small random weights of its own configuration, transformers",
    longest_seconds=300.0,
    processor_class="Qwen2AudioProcessor",
)
