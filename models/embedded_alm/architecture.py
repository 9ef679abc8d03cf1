"""The embedded ALM: Qwen2-Audio's architecture with a hundredth of its parameters or less, and its model folder.

Whisper's feature extractor computes log-mel spectrograms (100 frames per second). Qwen2-Audio's encoder
follows (two convolutions, transformer layers with sinusoidal positions, average pooling to 25 frames per second), then
a linear projector and a Qwen2 language model. transformers and vLLM load the folder with their own classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2AudioForConditionalGeneration

WINDOW_SECONDS = 30  # vLLM's Qwen2-Audio expects 3000 frames
WINDOW_FRAMES = 100 * WINDOW_SECONDS
HEAD_WIDTH = 32  # the smallest width that vLLM's CPU attention supports
ROPE_THETA = 1_000_000.0
_POSITION_SCALE = 0.3  # small beside the audio: emotion hardly depends on the position in time


@dataclass(frozen=True)
class Shape:
    """Sizes of the two transformers.

    Attributes:
        mel_bands: bands of the log-mel spectrogram.
        tower_width: width of the audio tower (d_model).
        tower_layers: its transformer layers.
        tower_heads: attention heads per layer.
        tower_inner: width inside its feed-forward blocks.
        text_width: hidden size of the language model; a multiple of HEAD_WIDTH.
        text_layers: its layers.
        text_inner: width inside its feed-forward blocks.
    """

    mel_bands: int = 128
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
    """A model with random weights, drawn with torch's global seed, and sinusoidal positions.

    Args:
        shape: the sizes.
        tokenizer: provides the vocabulary and the id of the audio token.
        frames: mel frames per window of the encoder.

    Returns:
        The model, in float32 on the CPU.
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
        num_mel_bins=shape.mel_bands,
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
        _initialise_tower(model.model.audio_tower)
        positions = torch.from_numpy(sinusoids(frames // 2, shape.tower_width))
        model.model.audio_tower.embed_positions.weight.copy_(_POSITION_SCALE * positions)
    return model


def sinusoids(length: int, width: int) -> np.ndarray:
    """Whisper's sinusoidal positions.

    Args:
        length: number of positions.
        width: number of dimensions, even.

    Returns:
        ``(length, width)``, float32: sines, then cosines, with wavelengths from 2 pi to 10,000 x 2 pi frames.
    """
    rates = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * rates[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def build_processor(tokenizer: PreTrainedTokenizerFast, mel_bands: int) -> Any:
    """Qwen2-Audio's processor: Whisper's feature extractor for 30 s windows, and the tokenizer with its chat template."""
    from transformers import Qwen2AudioProcessor

    return Qwen2AudioProcessor(
        feature_extractor=build_feature_extractor(mel_bands),
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )


def build_feature_extractor(mel_bands: int) -> Any:
    """Whisper's feature extractor at 16 kHz, for a number of mel bands."""
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(
        feature_size=mel_bands, sampling_rate=16_000, chunk_length=WINDOW_SECONDS, return_attention_mask=True
    )


def save_folder(
    model: Qwen2AudioForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """Write model, processor and tokenizer as a Hugging Face model folder.

    Args:
        model: the model; generation is set to greedy decoding.
        tokenizer: its tokenizer.
        folder: an existing or new folder.
    """
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    # Other folders of this architecture, of whatever size, are taken for the published ALM.
    model.config.ambivox_alm = "tiny"
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    build_processor(tokenizer, model.config.audio_config.num_mel_bins).save_pretrained(folder)


def _initialise_tower(tower: Any) -> None:
    """Random weights that keep the scale of activations from layer to layer."""
    import torch

    # The library's standard deviation of 0.02 suits a tower ten times as wide: here the output of the convolutions
    # would be a tenth as large as the positions.
    for convolution in (tower.conv1, tower.conv2):
        torch.nn.init.kaiming_normal_(convolution.weight)
    for layer in tower.layers:
        for name, weight in layer.named_parameters():
            if weight.ndim == 2:
                gain = 0.5 if "out_proj" in name or "fc2" in name else 1.0
                torch.nn.init.xavier_uniform_(weight, gain=gain)
