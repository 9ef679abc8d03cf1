"""Fine-tuning Qwen2-Audio-7B's architecture on a GPU: samples per second, peak memory, model FLOPs utilisation.

The architecture has its published sizes and random weights, so no hub is needed. LoRA of rank 8 on q/k/v/o of the language
model and the distribution head are trained on noise of mixed lengths, with the audio tower's states cached as in training.

A step is counted as 4 floating-point operations per weight of the language model and token: 2 forward and 2 backward, as
frozen weights need gradients of activations only. Attention, adapters and head are added. Utilisation is relative to the
dense bfloat16 rate of the chip, from its data sheet where it is known, otherwise measured with a large matrix product.

    python -m benchmarks.gpu
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from rich.console import Console

from ambivox.models.alm_backbones.backbone import Backbone
from ambivox.models.alms import alms
from ambivox.models.finetuning.data.batches import Batch, collate
from ambivox.models.finetuning.model.distribution_head import DistributionHead
from ambivox.models.finetuning.model.distribution_loss import distribution_loss
from ambivox.models.finetuning.model.distribution_model import (
    DistributionModel,
    adapted_modules,
    add_adapters,
)
from ambivox.models.prompting.alm_spec import ResolvedAlm

LABELS, PROMPT_TOKENS = 4, 60
AUDIO_TOKENS_PER_SECOND = 25


@dataclass(frozen=True)
class Measured:
    """Results of one run.

    Attributes:
        parameters: of the model without adapters.
        adapted: modules with adapters.
        losses: loss of each step.
        samples_per_second: throughput of training.
        peak_gib: peak of allocated GPU memory, GiB.
        share_of_peak: model FLOPs utilisation.
        batch_difference: largest difference of a probability between a batch and its rows alone.
        gradient: norm of the loss's gradient with respect to the audio.
        change: largest change of a probability when the audio is reversed.
    """

    parameters: int
    adapted: int
    losses: list[float]
    samples_per_second: float
    peak_gib: float
    share_of_peak: float
    batch_difference: float
    gradient: float
    change: float


def main() -> None:
    """Measure and print; without a GPU, print the reason for skipping."""
    console = Console()
    if not torch.cuda.is_available():
        console.print("gpu: skipped, no CUDA device found")
        return
    for checkpointing in (False, True):
        result = measure(steps=20, batch=8, seconds=(2.0, 12.0), gradient_checkpointing=checkpointing)
        console.print(
            f"{torch.cuda.get_device_name()}, gradient checkpointing {'on' if checkpointing else 'off'}: "
            f"{result.samples_per_second:.1f} samples/s, peak {result.peak_gib:.1f} GiB, "
            f"{result.share_of_peak:.0%} of the bfloat16 rate"
        )
        torch.cuda.empty_cache()


def measure(steps: int, batch: int, seconds: tuple[float, float], gradient_checkpointing: bool) -> Measured:
    """Train on one batch.

    Args:
        steps: optimiser steps, after two steps of warm-up.
        batch: recordings in the batch.
        seconds: shortest and longest recording.
        gradient_checkpointing: whether to recompute activations in the backward pass.
    """
    device = torch.device("cuda")
    backbone = build(device)
    parameters = backbone.parameter_count()
    model = add_adapters(backbone, LABELS, 8, 16, 0.0, 0, gradient_checkpointing)
    data = noise(model, batch, seconds)
    audio_effect = _audio_effect(model, data)
    difference = _difference(model, data)
    optimiser = torch.optim.AdamW(model.trainable().values(), lr=1e-4)
    model.train()
    losses, start = [], 0.0
    torch.cuda.reset_peak_memory_stats()
    for step in range(steps + 2):
        if step == 2:
            torch.cuda.synchronize()
            start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            loss = distribution_loss(data.target_BK.to(device), model.predict_batch(data)).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    torch.cuda.synchronize()
    elapsed = time.perf_counter() - start
    work = operations(model, data) * (1.5 if gradient_checkpointing else 1.0) * steps
    return Measured(
        parameters,
        len(adapted_modules(backbone.model)),
        [float(loss) for loss in losses],
        batch * steps / elapsed,
        torch.cuda.max_memory_allocated() / 2**30,
        work / elapsed / bf16_rate(device),
        difference,
        *audio_effect,
    )


def build(device: torch.device) -> Backbone:
    """Qwen2-Audio-7B's architecture, frozen, in bfloat16, with the sizes of its published config.json."""
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioEncoderConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2Config,
    )

    audio = Qwen2AudioEncoderConfig(
        num_mel_bins=128,
        d_model=1280,
        encoder_layers=32,
        encoder_attention_heads=20,
        encoder_ffn_dim=5120,
        max_source_positions=1500,
    )
    text = Qwen2Config(
        vocab_size=156032,
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=32,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )
    config = Qwen2AudioConfig(audio_config=audio, text_config=text, audio_token_index=151646)
    torch.manual_seed(0)
    default_dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = Qwen2AudioForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default_dtype)
    model.requires_grad_(False)
    model.eval()
    alm = alms()["qwen2_audio"]
    resolved = ResolvedAlm("qwen2_audio", "qwen2_audio@random", "random", "random", alm)
    return Backbone(model, None, resolved, device, torch.bfloat16)


def noise(model: DistributionModel, batch: int, seconds: tuple[float, float]) -> Batch:
    """A batch of random prompts and random audio states; lengths are evenly spaced."""
    random = np.random.default_rng(0)
    width = model.backbone.architecture.model.config.audio_config.d_model
    audio_id = model.backbone.audio_token_id
    ids, audio = [], []
    for length in np.linspace(*seconds, batch):
        audio_tokens = int(length * AUDIO_TOKENS_PER_SECOND)
        ids.append([1, *[audio_id] * audio_tokens, *random.integers(2, 150_000, PROMPT_TOKENS).tolist()])
        audio.append(torch.from_numpy(random.standard_normal((audio_tokens, width)).astype(np.float32)))
    target_BK = torch.from_numpy(random.dirichlet(np.ones(LABELS), batch)).float()
    return collate(ids, audio, target_BK, torch.ones(batch), pad_id=0)


def operations(model: DistributionModel, data: Batch) -> float:
    """Floating-point operations of one step."""
    text = model.backbone.architecture.language_model
    weights = sum(
        p.numel() for name, p in text.named_parameters() if "embed" not in name and "lora" not in name
    )
    trained = sum(p.numel() for p in model.trainable().values() if p.ndim > 1)
    tokens, length = data.ids_BT.numel(), data.ids_BT.shape[1]
    config = model.backbone.architecture.model.config.text_config
    attention = 4 * length * config.hidden_size * config.num_hidden_layers * tokens
    return float(4 * weights * tokens + 6 * trained * tokens + 3 * attention)


def bf16_rate(device: torch.device) -> float:
    """Floating-point operations per second in dense bfloat16."""
    known = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}
    for chip, rate in known.items():
        if chip in torch.cuda.get_device_name(device):
            return rate
    matrix = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    matrix @ matrix  # warm-up
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        matrix @ matrix
    torch.cuda.synchronize()
    return 10 * 2 * 8192**3 / (time.perf_counter() - start)


def _audio_effect(model: DistributionModel, data: Batch) -> tuple[float, float]:
    """Norm of the gradient with respect to the audio, and the change of probabilities with reversed audio."""
    model.eval()
    audio_XD = data.audio_XD.to(model.backbone.device).requires_grad_()
    with torch.autocast("cuda", torch.bfloat16):
        log_p = model.predict_batch(replace(data, audio_XD=audio_XD))
        distribution_loss(data.target_BK.to(log_p.device), log_p).sum().backward()
        with torch.no_grad():
            reversed_log_p = model.predict_batch(replace(data, audio_XD=audio_XD.detach().flip(0)))
    model.zero_grad(set_to_none=True)
    assert audio_XD.grad is not None
    return float(audio_XD.grad.norm()), float((reversed_log_p.exp() - log_p.detach().exp()).abs().max())


@torch.no_grad()
def _difference(model: DistributionModel, data: Batch) -> float:
    """Largest difference of a probability between the batch and its rows alone."""
    model.eval()
    assert isinstance(model.head, DistributionHead)
    with torch.autocast("cuda", torch.bfloat16):
        together = model.predict_batch(data).exp()
        alone, first = [], 0
        for row in range(len(data.ids_BT)):
            ids = data.ids_BT[row][data.mask_BT[row].bool()][None]
            count = int((ids == model.backbone.audio_token_id).sum())
            single = Batch(
                ids,
                torch.ones_like(ids),
                data.audio_XD[first : first + count],
                data.target_BK[row : row + 1],
                data.weight_B[row : row + 1],
            )
            alone.append(model.predict_batch(single).exp())
            first += count
    return float((together - torch.cat(alone)).abs().max())


if __name__ == "__main__":
    main()
