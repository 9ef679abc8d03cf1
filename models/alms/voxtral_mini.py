"""Voxtral-Mini-3B-2507 (Mistral, arXiv 2507.13264): Whisper's encoder in 30 s chunks before Ministral 3B."""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="mistralai/Voxtral-Mini-3B-2507",
    revision="3060fe34b35ba5d44202ce9ff3c097642914f8f3",
    architectures=("VoxtralForConditionalGeneration",),
    licence="Apache-2.0",
    transformers_class="VoxtralForConditionalGeneration",
    checked="fine-tuned on the CPU with small random weights of its own configuration, transformers; votes: not run",
    longest_seconds=1200.0,
    engine_arguments={"tokenizer_mode": "mistral", "config_format": "mistral", "load_format": "mistral"},
)
