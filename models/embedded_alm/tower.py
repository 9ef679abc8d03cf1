"""What Qwen2-Audio's tower hears in a short window: the same numbers as in its full 30 s, for less work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def hear(tower: Any, mels_BMT: torch.Tensor, frames_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the tower's own layers on a window of T mel frames.

    Padding is masked and positions are sinusoidal, so nothing depends on the window's length, as long as T
    covers each clip and the frames that the convolutions see behind it.

    Args:
        tower: a Qwen2AudioEncoder.
        mels_BMT: log-mels, B x bands x T.
        frames_B: how many frames of each clip are sound.

    Returns:
        ``h_BLD`` (25 frames a second) and ``there_BL``, which of them are sound.
    """
    import torch
    from torch.nn import functional

    x_BDT = functional.gelu(tower.conv1(mels_BMT))
    x_BTD = functional.gelu(tower.conv2(x_BDT)).transpose(1, 2)
    x_BTD = x_BTD + tower.embed_positions.weight[: x_BTD.shape[1]]
    inner_B = (frames_B - 1) // 2 + 1
    outer_B = (inner_B - 2) // 2 + 1
    heard_BT = torch.arange(x_BTD.shape[1])[None] < inner_B[:, None]
    mask_B11T = torch.zeros(heard_BT.shape).masked_fill(~heard_BT, torch.finfo(torch.float32).min)[
        :, None, None
    ]
    mask = mask_B11T.expand(-1, 1, x_BTD.shape[1], -1)
    for layer in tower.layers:
        x_BTD = layer(x_BTD, mask)
    pooled_BLD = tower.avg_pooler(x_BTD.transpose(1, 2)).transpose(1, 2)
    there_BL = torch.arange(pooled_BLD.shape[1])[None] < outer_B[:, None]
    return tower.layer_norm(pooled_BLD), there_BL


def mean_logits(
    h_BLD: torch.Tensor, there_BL: torch.Tensor, weight_KD: torch.Tensor, bias_K: torch.Tensor
) -> torch.Tensor:
    """A linear reading of each frame, averaged over the frames that are sound; B x K."""
    share_BL = there_BL / there_BL.sum(1, keepdim=True)
    return (h_BLD * share_BL[..., None]).sum(1) @ weight_KD.T + bias_K
