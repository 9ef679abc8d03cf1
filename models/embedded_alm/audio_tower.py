"""Qwen2-Audio's audio tower on windows shorter than 30 s: the same output as in the full window, for less work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def encode(tower: Any, mels_BMT: torch.Tensor, frames_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the tower's layers on a window of T mel frames.

    Padding is masked and positions are sinusoidal, so the output does not depend on T as long as T covers each
    recording and the margin behind it.

    Args:
        tower: a Qwen2AudioEncoder.
        mels_BMT: log-mels, B recordings by M bands by T frames.
        frames_B: the number of mel frames of each recording, without padding.

    Returns:
        ``h_BLD``, L frames (25 per second) of width D, and ``is_audio_BL``, False for frames of padding.
    """
    import torch
    from torch.nn import functional

    x_BDT = functional.gelu(tower.conv1(mels_BMT))
    x_BTD = functional.gelu(tower.conv2(x_BDT)).transpose(1, 2)
    x_BTD = x_BTD + tower.embed_positions.weight[: x_BTD.shape[1]]
    encoded_B = encoder_frames(frames_B)
    pooled_B = (encoded_B - 2) // 2 + 1
    attends_BT = torch.arange(x_BTD.shape[1])[None] < encoded_B[:, None]
    mask_BT = torch.zeros(attends_BT.shape).masked_fill(~attends_BT, torch.finfo(torch.float32).min)
    mask_B1TT = mask_BT[:, None, None].expand(-1, 1, x_BTD.shape[1], -1)
    for layer in tower.layers:
        x_BTD = layer(x_BTD, mask_B1TT)
    pooled_BLD = tower.avg_pooler(x_BTD.transpose(1, 2)).transpose(1, 2)
    is_audio_BL = torch.arange(pooled_BLD.shape[1])[None] < pooled_B[:, None]
    return tower.layer_norm(pooled_BLD), is_audio_BL


def encoder_frames(frames_B: torch.Tensor) -> torch.Tensor:
    """Frames in the tower's layers (50 per second) for a number of mel frames (100 per second)."""
    return (frames_B - 1) // 2 + 1


def mean_logits(
    h_BLD: torch.Tensor, is_audio_BL: torch.Tensor, weight_KD: torch.Tensor, bias_K: torch.Tensor
) -> torch.Tensor:
    """Logits of a linear head on each frame, averaged over the frames of audio.

    Args:
        h_BLD: the tower's output.
        is_audio_BL: which frames are audio.
        weight_KD: weights of the head for K labels.
        bias_K: biases of the head.

    Returns:
        B by K logits.
    """
    weight_BL = is_audio_BL / is_audio_BL.sum(1, keepdim=True)
    return (h_BLD * weight_BL[..., None]).sum(1) @ weight_KD.T + bias_K
