"""Qwen2-Audio-7B-Instruct (Qwen, arXiv 2407.10759): the Whisper-large-v3 encoder and Qwen 7B; up to 30 s.

The embedded ALM (tiny) has the same architecture.
"""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="Qwen/Qwen2-Audio-7B-Instruct",
    revision="0a095220c30b7b31434169c3086508ef3ea5bf0a",
    architectures=("Qwen2AudioForConditionalGeneration",),
    licence="Apache-2.0",
    transformers_class="Qwen2AudioForConditionalGeneration",
    tested="run on the CPU with small models of the same architecture and the published tokenizer, vLLM and transformers",
)
