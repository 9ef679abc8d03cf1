"""Gemma-4-E4B-it (Google): text, image and audio input; up to 30 s of audio. Thinking is turned off."""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="google/gemma-4-E4B-it",
    revision="83df0a889143b1dbfc61b591bbc639540fd9ce4c",
    architectures=("Gemma4ForConditionalGeneration",),
    licence="Apache-2.0",
    transformers_class="Gemma4ForConditionalGeneration",
    tested="supported by vLLM and transformers; not run",
    chat_arguments={"enable_thinking": False},
)
