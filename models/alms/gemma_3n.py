"""Gemma-3n-E2B-it (Google): a USM-based encoder (6.25 frames a second) before a MatFormer; hears 30 s."""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="google/gemma-3n-E2B-it",
    revision="0330734afc91972a1aa1ba1bc4495e2723666854",
    architectures=("Gemma3nForConditionalGeneration",),
    licence="Gemma terms of use",
    transformers_class="Gemma3nForConditionalGeneration",
    checked="known to vLLM and transformers; not run",
)
