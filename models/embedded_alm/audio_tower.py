"""Qwen2-Audio's audio tower on windows shorter than 30 s: the same output as in the full window, for less work.

Padding is masked and positions are fixed, so the output does not depend on the length of the window, as long as it
covers each recording and the margin behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def encode(tower: Any, mels_BMT: torch.Tensor, frames_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the whole tower on a window of T mel frames.

    Args:
        tower: a Qwen2AudioEncoder.
        mels_BMT: log-mels, B recordings by M bands by T frames.
        frames_B: the number of mel frames of each recording, without padding.

    Returns:
        ``h_BLD``, L frames (25 per second) of width D, and ``is_audio_BL``, False for frames of padding.
    """
    encoded_B = encoder_frames(frames_B)
    x_BTD = run_layers(tower.layers, embed(tower, mels_BMT), encoded_B)
    return pool_frames(tower, x_BTD, encoded_B)


def embed(tower: Any, mels_BMT: torch.Tensor) -> torch.Tensor:
    """The input of the first layer: two convolutions and the positions.

    Args:
        tower: a Qwen2AudioEncoder.
        mels_BMT: log-mels, B recordings by M bands by T frames.

    Returns:
        B recordings by T / 2 frames (50 per second) by width D.
    """
    from torch.nn import functional

    x_BDT = functional.gelu(tower.conv1(mels_BMT))
    x_BTD = functional.gelu(tower.conv2(x_BDT)).transpose(1, 2)
    embedded_BTD: torch.Tensor = x_BTD + tower.embed_positions.weight[: x_BTD.shape[1]]
    return embedded_BTD


def run_layers(layers: Iterable[Any], x_BTD: torch.Tensor, encoded_B: torch.Tensor) -> torch.Tensor:
    """Run some of the tower's layers, without attention to padding.

    Args:
        layers: consecutive layers of a Qwen2AudioEncoder.
        x_BTD: the input of the first of them.
        encoded_B: frames of each recording, as ``encoder_frames`` gives them.

    Returns:
        The output of the last one, in the shape of ``x_BTD``.
    """
    import torch

    attends_BT = torch.arange(x_BTD.shape[1])[None] < encoded_B[:, None]
    mask_BT = torch.zeros(attends_BT.shape).masked_fill(~attends_BT, torch.finfo(torch.float32).min)
    mask_B1TT = mask_BT[:, None, None].expand(-1, 1, x_BTD.shape[1], -1)
    for layer in layers:
        x_BTD = layer(x_BTD, mask_B1TT)
    return x_BTD


def pool_frames(
    tower: Any, x_BTD: torch.Tensor, encoded_B: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The tower's output from that of its last layer: means of two frames each, then the layer norm.

    Args:
        tower: a Qwen2AudioEncoder.
        x_BTD: the output of its last layer.
        encoded_B: frames of each recording, as ``encoder_frames`` gives them.

    Returns:
        What ``encode`` returns.
    """
    import torch

    pooled_BLD = tower.avg_pooler(x_BTD.transpose(1, 2)).transpose(1, 2)
    pooled_B = (encoded_B - 2) // 2 + 1
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
