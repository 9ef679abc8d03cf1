"""Qwen2-Audio in vLLM with an encoder cost that is proportional to the duration of the clips.

For every clip, vLLM's own class computes log-mels of 30 s and passes 1,500 frames through the encoder; the frames after
the end of the clip are masked. Masked frames do not change the result, so these classes leave them out. For clips of
3 s they were most of the cost of annotation (benchmarks/annotation.py). vLLM finds these classes through ``plugin``, in
this process and in its server.
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

from ambivox.models.parallel import one_torch_thread

# Mel frames of silence that are kept after a clip, because its last analysis windows and the encoder's two
# convolutions reach them.
_MARGIN_FRAMES = 5


class TrimmedProcessor(Qwen2AudioMultiModalProcessor):  # type: ignore[misc]  # vLLM's types are not read
    """The base class with log-mels of the clip and a margin (1 x bands x frames) instead of 30 s."""

    @one_torch_thread()
    def _apply_hf_processor_main(self, mm_items: Any, hf_processor_mm_kwargs: Any) -> Any:
        audio = mm_items.get("audio")
        if not isinstance(audio, AudioProcessorItems) or not audio.get_count():
            return super()._apply_hf_processor_main(mm_items, hf_processor_mm_kwargs)
        extractor = self.info.get_feature_extractor(**hf_processor_mm_kwargs)
        clips = audio.get_all()
        frames = max(-(-len(clip) // extractor.hop_length) for clip in clips) + _MARGIN_FRAMES
        mels = extractor(
            clips,
            sampling_rate=extractor.sampling_rate,
            return_attention_mask=True,
            return_tensors="pt",
            padding="max_length",
            max_length=min(frames * extractor.hop_length, extractor.n_samples),
        )
        return BatchFeature(
            {"input_features": mels["input_features"], "feature_attention_mask": mels["attention_mask"]}
        )


@MULTIMODAL_REGISTRY.register_processor(
    TrimmedProcessor, info=Qwen2AudioProcessingInfo, dummy_inputs=Qwen2AudioDummyInputsBuilder
)
class TrimmedQwen2Audio(Qwen2AudioForConditionalGeneration):  # type: ignore[misc]
    """The base class with the encoder cost of the longest clip in the batch."""

    def _parse_and_validate_audio_input(self, **kwargs: Any) -> Any:
        if kwargs.get("input_features") is None:
            return super()._parse_and_validate_audio_input(**kwargs)
        features, masks = kwargs["input_features"], kwargs["feature_attention_mask"]
        return {"type": "audio_features", "input_features": features, "feature_attention_mask": masks}

    def _process_audio_input(self, audio_input: Any) -> Any:
        if audio_input["type"] == "audio_embeds":
            return super()._process_audio_input(audio_input)
        tower = self.audio_tower
        dtype, device = tower.conv1.weight.dtype, tower.conv1.weight.device
        mel_frames_N = torch.stack([mask.sum() for mask in audio_input["feature_attention_mask"]]).to(device)
        encoder_frames_N, tokens_N = tower._get_feat_extract_output_lengths(mel_frames_N)
        with gpu_sync_allowed():
            longest, token_counts = int(mel_frames_N.max()) + _MARGIN_FRAMES, tokens_N.tolist()
        features = _stack(audio_input["input_features"], longest).to(dtype=dtype, device=device)
        hidden = gelu(tower.conv2(gelu(tower.conv1(features)))).transpose(1, 2)
        length = hidden.shape[1]
        hidden = hidden + tower.embed_positions.weight[:length]
        is_padding_NT = torch.arange(length, device=device) >= encoder_frames_N[:, None]
        mask = torch.zeros(len(hidden), 1, length, length, dtype=dtype, device=device)
        mask.masked_fill_(is_padding_NT[:, None, None], float("-inf"))
        for layer in tower.layers:
            hidden = layer(hidden, mask)
        hidden = tower.avg_pooler(hidden.transpose(1, 2)).transpose(1, 2)
        embedded = self.multi_modal_projector(tower.layer_norm(hidden))
        return tuple(row[:count] for row, count in zip(embedded, token_counts, strict=True))


def _stack(features: Any, max_frames: int) -> torch.Tensor:
    """Stack N spectrograms (bands x frames), padded with their last frame and cut after ``max_frames``."""
    frames = max(mels.shape[-1] for mels in features)
    padded = [
        torch.cat([mels, mels[:, -1:].expand(-1, frames - mels.shape[-1])], dim=-1)[:, :max_frames]
        for mels in features
    ]
    return torch.stack(padded)
