"""Qwen2-Audio in vLLM, its encoder run over what was recorded instead of over 30 s of padding.

vLLM's own class passes 1,500 frames through the encoder whatever a clip's length, and masks those past its end.
What is masked changes nothing that is kept: here it is cut off first. For a clip of 3 s that is nine tenths of the
encoder's work, which was most of what annotation cost (benchmarks/annotation.py). vLLM finds this class through
models/engines/_plugin.py, in process and in `vllm serve` alike.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import gelu
from vllm.model_executor.models.qwen2_audio import Qwen2AudioForConditionalGeneration
from vllm.utils.gpu_sync_debug import gpu_sync_allowed

# The two convolutions look two mel frames past the last one that is kept; the halving wants an even number.
_MARGIN_FRAMES = 4


class TrimmedQwen2Audio(Qwen2AudioForConditionalGeneration):  # type: ignore[misc]  # vLLM's types are not read
    """As its base class, for the price of the longest clip of a batch."""

    def _process_audio_input(self, audio_input: Any) -> Any:
        if audio_input["type"] == "audio_embeds":
            return super()._process_audio_input(audio_input)
        tower = self.audio_tower
        like = tower.conv1.weight
        heard_N, kept_N = tower._get_feat_extract_output_lengths(
            audio_input["feature_attention_mask"].sum(-1)
        )
        with gpu_sync_allowed():
            longest, kept = int(heard_N.max()), kept_N.tolist()
        frames = min(audio_input["input_features"].shape[-1], 2 * longest + _MARGIN_FRAMES)
        features = audio_input["input_features"][..., :frames].to(dtype=like.dtype, device=like.device)
        hidden = gelu(tower.conv2(gelu(tower.conv1(features)))).transpose(1, 2)
        length = hidden.shape[1]
        hidden = hidden + tower.embed_positions.weight[:length]
        is_past_NT = torch.arange(length, device=heard_N.device) >= heard_N[:, None]
        mask = torch.zeros(len(hidden), 1, length, length, dtype=like.dtype, device=like.device)
        mask.masked_fill_(is_past_NT[:, None, None].to(like.device), float("-inf"))
        for layer in tower.layers:
            hidden = layer(hidden, mask)
        hidden = tower.avg_pooler(hidden.transpose(1, 2)).transpose(1, 2)
        embedded = self.multi_modal_projector(tower.layer_norm(hidden))
        return tuple(row[:count] for row, count in zip(embedded, kept, strict=True))
