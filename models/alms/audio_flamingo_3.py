"""Audio-Flamingo-3 (NVIDIA, arXiv 2507.08128): a Whisper-style encoder in 30 s windows before Qwen2.5."""

from ambivox.models.prompting.alm_spec import Alm

ALM = Alm(
    checkpoint="nvidia/audio-flamingo-3-hf",
    revision="1b7715c1cbdfcaa5042e79cc3c814f6625681cc7",
    architectures=("AudioFlamingo3ForConditionalGeneration",),
    licence="NVIDIA OneWay Noncommercial (research only)",
    transformers_class="AudioFlamingo3ForConditionalGeneration",
    checked="run on the CPU with small random weights of its own configuration, vLLM and transformers",
    longest_seconds=600.0,
)
