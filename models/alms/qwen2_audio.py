"""Qwen2-Audio-7B-Instruct (Qwen, arXiv 2407.10759): Whisper-large-v3's encoder before a Qwen 7B; hears 30 s.

The tiny ALM that the project trains has this architecture too.
"""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="Qwen/Qwen2-Audio-7B-Instruct",
    revision="0a095220c30b7b31434169c3086508ef3ea5bf0a",
    architectures=("Qwen2AudioForConditionalGeneration",),
    licence="Apache-2.0",
    transformers_class="Qwen2AudioForConditionalGeneration",
    checked="run on the CPU with weights of its own architecture (the tiny ALM), vLLM and transformers",
)
