"""Gemma-3n-E2B-it (Google): a USM-based encoder (6.25 frames per second) and a MatFormer; up to 30 s of audio."""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="google/gemma-3n-E2B-it",
    revision="0330734afc91972a1aa1ba1bc4495e2723666854",
    architectures=("Gemma3nForConditionalGeneration",),
    licence="Gemma terms of use",
    transformers_class="Gemma3nForConditionalGeneration",
    tested="supported by vLLM and transformers; not run",
)
