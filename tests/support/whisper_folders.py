"""Folders of small Whispers with random weights, and the real one where this machine has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

REAL_WHISPER = Path(__file__).resolve().parents[3] / "shared" / "whisper-tiny.en-encoder"
needs_real_whisper = pytest.mark.skipif(
    not REAL_WHISPER.is_dir(), reason="shared/whisper-tiny.en-encoder is not beside the checkout"
)


def make_whisper(
    folder: Path, *, mel_bands: int = 80, layers: int = 3, seed: int = 0, shard: str = "5GB"
) -> Path:
    """Write a Whisper with random weights as transformers does.

    Args:
        folder: The folder to write.
        mel_bands: 80, or 128 as in large-v3.
        layers: Layers of the encoder.
        seed: Of the weights.
        shard: The largest size of a file of weights.
    """
    import torch
    from transformers import WhisperConfig, WhisperModel

    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=60,
        num_mel_bins=mel_bands,
        d_model=64,
        encoder_layers=layers,
        encoder_attention_heads=2,
        encoder_ffn_dim=96,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        max_target_positions=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
    )
    model = WhisperModel(config)
    with torch.no_grad():
        # At this width the library's initial weights give almost the same frames for all audio.
        for convolution in (model.encoder.conv1, model.encoder.conv2):
            torch.nn.init.kaiming_normal_(convolution.weight)
        for layer in model.encoder.layers:
            for weight in layer.parameters():
                if weight.ndim == 2:
                    torch.nn.init.xavier_uniform_(weight)
    model.save_pretrained(folder, max_shard_size=shard)
    return folder


def build_whisper_alm(
    folder: Path, whisper: Path, labels: tuple[str, ...], texts: list[str]
) -> tuple[Any, Any]:
    """Write an embedded ALM on a Whisper, with a random head; return the head, weights (K, D) and biases (K,).

    Args:
        folder: The model folder to write.
        whisper: The Whisper's folder.
        labels: K labels.
        texts: Prompts to train the tokenizer on.
    """
    import torch

    from ambivox.models.embedded_alm.architecture import build_model, save_folder
    from ambivox.models.embedded_alm.lookup_language_model import write_lookup
    from ambivox.models.embedded_alm.tokenizer import build_tokenizer
    from ambivox.models.embedded_alm.whisper_encoder import load_encoder, read_shape

    torch.manual_seed(6)
    shape = read_shape(whisper, len(labels))
    tokenizer = build_tokenizer(labels, texts)
    model = build_model(shape, tokenizer).eval()
    load_encoder(model.model.audio_tower, whisper)
    head_KD = 0.5 * torch.randn(len(labels), shape.tower_width)
    bias_K = torch.randn(len(labels))
    write_lookup(model, tokenizer, labels, head_KD, bias_K, np.full(len(labels), 1 / len(labels)))
    save_folder(model, tokenizer, folder)
    return head_KD, bias_K
