"""Audio-Flamingo-3 (NVIDIA, arXiv 2507.08128): a Whisper-style encoder on 30 s windows and Qwen2.5."""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="nvidia/audio-flamingo-3-hf",
    revision="1b7715c1cbdfcaa5042e79cc3c814f6625681cc7",
    architectures=("AudioFlamingo3ForConditionalGeneration",),
    licence="NVIDIA OneWay Noncommercial (research only)",
    transformers_class="AudioFlamingo3ForConditionalGeneration",
    tested="run on the CPU with a small random-weight model of the same architecture, vLLM and transformers",
    longest_seconds=600.0,
)
