"""Voxtral-Mini-3B-2507 (Mistral, arXiv 2507.13264): the Whisper encoder on 30 s chunks and Ministral 3B."""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="mistralai/Voxtral-Mini-3B-2507",
    revision="3060fe34b35ba5d44202ce9ff3c097642914f8f3",
    architectures=("VoxtralForConditionalGeneration",),
    licence="Apache-2.0",
    transformers_class="VoxtralForConditionalGeneration",
    tested="fine-tuned on the CPU with a small random-weight model of the same architecture, transformers; annotation: not run",
    longest_seconds=1200.0,
    engine_arguments={"tokenizer_mode": "mistral", "config_format": "mistral", "load_format": "mistral"},
)
