"""The tiny ALM's shape and its folder: Qwen2-Audio's architecture at a six-thousandth of its size.

Audio goes through Whisper's front end (128 log-mel bands, 100 frames a second) and Qwen2-Audio's encoder
(two convolutions, transformer layers with sinusoidal positions, average pooling to 25 frames a second), a
linear projector, and a Qwen2 language model. transformers and vLLM load the folder like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2AudioForConditionalGeneration

MEL_BANDS = 128
WINDOW_SECONDS = 30  # vLLM's Qwen2-Audio takes exactly 3000 frames
WINDOW_FRAMES = 100 * WINDOW_SECONDS
HEAD_WIDTH = 32  # the smallest that vLLM's CPU attention knows
ROPE_THETA = 1_000_000.0
_POSITION_SCALE = 0.3  # emotion hardly depends on when; the sound must not drown in positions


@dataclass(frozen=True)
class Shape:
    """The sizes of the two transformers: a tower that hears and a language model that reads and answers."""

    tower_width: int = 144
    tower_layers: int = 3
    tower_heads: int = 4
    tower_inner: int = 432
    text_width: int = 96
    text_layers: int = 2
    text_inner: int = 64


def build_model(
    shape: Shape, tokenizer: PreTrainedTokenizerFast, frames: int = WINDOW_FRAMES
) -> Qwen2AudioForConditionalGeneration:
    """The architecture with random weights (from torch's global seed) and sinusoidal positions.

    Args:
        shape: the sizes.
        tokenizer: gives the vocabulary and the audio token.
        frames: mel frames that the encoder takes; a shorter window than WINDOW_FRAMES trains faster, and the
            weights, positions aside, are those of the full window.
    """
    import torch
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioEncoderConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2Config,
    )

    from ambivox.models.embedded_alm.tokenizer import AUDIO, END, PAD

    token_id = tokenizer.convert_tokens_to_ids
    audio = Qwen2AudioEncoderConfig(
        num_mel_bins=MEL_BANDS,
        d_model=shape.tower_width,
        encoder_layers=shape.tower_layers,
        encoder_attention_heads=shape.tower_heads,
        encoder_ffn_dim=shape.tower_inner,
        max_source_positions=frames // 2,
    )
    text = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.text_width,
        intermediate_size=shape.text_inner,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.text_width // HEAD_WIDTH,
        num_key_value_heads=shape.text_width // HEAD_WIDTH,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=token_id(END),
        pad_token_id=token_id(PAD),
    )
    config = Qwen2AudioConfig(audio_config=audio, text_config=text, audio_token_index=token_id(AUDIO))
    model = Qwen2AudioForConditionalGeneration(config)
    with torch.no_grad():
        _start_tower(model.model.audio_tower)
        positions = torch.from_numpy(sinusoids(frames // 2, shape.tower_width))
        model.model.audio_tower.embed_positions.weight.copy_(_POSITION_SCALE * positions)
    return model


def _start_tower(tower: Any) -> None:
    """Random weights that keep the signal's size from layer to layer.

    The library's own (a deviation of 0.02 everywhere) suit a tower ten times as wide: in this one the sound
    would come out of the convolutions at a tenth of the positions' size, and learning would begin with noise.
    """
    import torch

    for convolution in (tower.conv1, tower.conv2):
        torch.nn.init.kaiming_normal_(convolution.weight)
    for layer in tower.layers:
        for name, weight in layer.named_parameters():
            if weight.ndim == 2:
                torch.nn.init.xavier_uniform_(
                    weight, gain=0.5 if "out_proj" in name or "fc2" in name else 1.0
                )


def sinusoids(length: int, width: int) -> np.ndarray:
    """Whisper's positions, (length, width): sines, then cosines, wavelengths from 2 pi to 10,000 x 2 pi frames."""
    rates = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * rates[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Any:
    """Qwen2-Audio's processor: Whisper's feature extractor over 30 s, and the tokenizer with its template."""
    from transformers import Qwen2AudioProcessor

    return Qwen2AudioProcessor(
        feature_extractor=build_feature_extractor(),
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )


def build_feature_extractor() -> Any:
    """Whisper's front end at 16 kHz with Qwen2-Audio's 128 bands."""
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(
        feature_size=MEL_BANDS, sampling_rate=16_000, chunk_length=WINDOW_SECONDS, return_attention_mask=True
    )


def save_folder(
    model: Qwen2AudioForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """Write the model, the processor and the tokenizer as a Hugging Face folder."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    build_processor(tokenizer).save_pretrained(folder)
