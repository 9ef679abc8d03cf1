"""The embedded ALM that `ambivox pretrain` makes, with the architecture of Qwen2-Audio.

There are no published weights: train it on a corpus and pass its folder as --alm.
"""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint=None,
    revision=None,
    architectures=("Qwen2AudioForConditionalGeneration",),
    licence="that of the corpus it was trained on; a Whisper tower is MIT",
    transformers_class="Qwen2AudioForConditionalGeneration",
    tested="trained and run on the CPU, vLLM and transformers",
    mark="tiny",
)
