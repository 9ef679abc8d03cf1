"""The embedded ALM that `ambivox pretrain` trains from scratch; it has Qwen2-Audio's architecture.

It has no published weights: train it on a corpus and give its folder as --alm.
"""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint=None,
    revision=None,
    architectures=("Qwen2AudioForConditionalGeneration",),
    licence="that of the corpus it was trained on",
    transformers_class="Qwen2AudioForConditionalGeneration",
    checked="run on the CPU, trained, vLLM and transformers",
    widest=512,
)
