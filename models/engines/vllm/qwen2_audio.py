"""Qwen2-Audio in vLLM for the price of what was recorded, instead of the 30 s that it is padded to.

vLLM's own class computes log-mels of 30 s, and passes 1,500 frames through the encoder, whatever a clip's length;
those past its end are masked. What is masked changes nothing that is kept: here it is never made. For clips of 3 s
it was most of what annotation cost (benchmarks/annotation.py). vLLM finds this class through
models/engines/vllm/plugin.py, in process and in its server alike.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import gelu
from transformers import BatchFeature
from vllm.model_executor.models.qwen2_audio import (
    Qwen2AudioDummyInputsBuilder,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioMultiModalProcessor,
    Qwen2AudioProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.parse import AudioProcessorItems
from vllm.utils.gpu_sync_debug import gpu_sync_allowed

# Silent mel frames kept behind a clip: its last analysis windows and the encoder's two convolutions see them.
_MARGIN_FRAMES = 5


class TrimmedProcessor(Qwen2AudioMultiModalProcessor):  # type: ignore[misc]  # vLLM's types are not read
    """As its base class, with log-mels of the clip and a margin (1 x bands x frames) instead of 30 s."""

    def _apply_hf_processor_main(self, mm_items: Any, hf_processor_mm_kwargs: Any) -> Any:
        audio = mm_items.get("audio")
        if not isinstance(audio, AudioProcessorItems) or not audio.get_count():
            return super()._apply_hf_processor_main(mm_items, hf_processor_mm_kwargs)
        extractor = self.info.get_feature_extractor(**hf_processor_mm_kwargs)
        clips = audio.get_all()
        frames = max(-(-len(clip) // extractor.hop_length) for clip in clips) + _MARGIN_FRAMES
        made = extractor(
            clips,
            sampling_rate=extractor.sampling_rate,
            return_attention_mask=True,
            return_tensors="pt",
            padding="max_length",
            max_length=min(frames * extractor.hop_length, extractor.n_samples),
        )
        return BatchFeature(
            {"input_features": made["input_features"], "feature_attention_mask": made["attention_mask"]}
        )


@MULTIMODAL_REGISTRY.register_processor(
    TrimmedProcessor, info=Qwen2AudioProcessingInfo, dummy_inputs=Qwen2AudioDummyInputsBuilder
)
class TrimmedQwen2Audio(Qwen2AudioForConditionalGeneration):  # type: ignore[misc]
    """As its base class, for the price of the longest clip of a batch."""

    def _parse_and_validate_audio_input(self, **kwargs: Any) -> Any:
        if kwargs.get("input_features") is None:
            return super()._parse_and_validate_audio_input(**kwargs)
        features, masks = kwargs["input_features"], kwargs["feature_attention_mask"]
        return {"type": "audio_features", "input_features": features, "feature_attention_mask": masks}

    def _process_audio_input(self, audio_input: Any) -> Any:
        if audio_input["type"] == "audio_embeds":
            return super()._process_audio_input(audio_input)
        tower = self.audio_tower
        like = tower.conv1.weight
        frames_N = torch.stack([mask.sum() for mask in audio_input["feature_attention_mask"]]).to(like.device)
        heard_N, kept_N = tower._get_feat_extract_output_lengths(frames_N)
        with gpu_sync_allowed():
            longest, kept = int(frames_N.max()) + _MARGIN_FRAMES, kept_N.tolist()
        features = _stacked(audio_input["input_features"], longest).to(dtype=like.dtype, device=like.device)
        hidden = gelu(tower.conv2(gelu(tower.conv1(features)))).transpose(1, 2)
        length = hidden.shape[1]
        hidden = hidden + tower.embed_positions.weight[:length]
        is_past_NT = torch.arange(length, device=like.device) >= heard_N[:, None]
        mask = torch.zeros(len(hidden), 1, length, length, dtype=like.dtype, device=like.device)
        mask.masked_fill_(is_past_NT[:, None, None], float("-inf"))
        for layer in tower.layers:
            hidden = layer(hidden, mask)
        hidden = tower.avg_pooler(hidden.transpose(1, 2)).transpose(1, 2)
        embedded = self.multi_modal_projector(tower.layer_norm(hidden))
        return tuple(row[:count] for row, count in zip(embedded, kept, strict=True))


def _stacked(features: Any, longest: int) -> torch.Tensor:
    """N spectrograms (bands x frames) as one batch of ``longest`` frames at most, each continued by its silence."""
    whole = max(one.shape[-1] for one in features)
    rows = [
        torch.cat([one, one[:, -1:].expand(-1, whole - one.shape[-1])], dim=-1)[:, :longest]
        for one in features
    ]
    return torch.stack(rows)
