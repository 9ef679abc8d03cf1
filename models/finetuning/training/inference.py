"""Distributions that a fine-tuned model gives, in batches by length."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.finetuning.data.batches import by_length
from ambivox.models.finetuning.data.examples import Examples
from ambivox.models.finetuning.distributed.processes import Processes
from ambivox.models.finetuning.model.distribution_model import DistributionModel
from ambivox.models.finetuning.training.checks import pad_id_of
from ambivox.models.progress import track


@torch.no_grad()
def standardise_head(model: DistributionModel, examples: Examples, states: AudioStates, batch: int) -> None:
    """Give the head the mean and deviation of the hidden states of all tokens of ``examples``."""
    model.eval()
    pad_id, backbone = pad_id_of(model), model.backbone
    count, total_D, squares_D = 0, torch.zeros(()), torch.zeros(())
    for rows in by_length(examples.length_N, batch):
        part = examples.batch(rows, states, pad_id)
        mask_BT = part.mask_BT.to(backbone.device)
        hidden = model.hidden(part.ids_BT.to(backbone.device), mask_BT, part.audio_XD.to(backbone.device))
        token_XD = hidden[mask_BT.bool()].double().cpu()
        count += len(token_XD)
        total_D, squares_D = total_D + token_XD.sum(dim=0), squares_D + token_XD.square().sum(dim=0)
    mean_D = total_D / count
    model.head.standardise(mean_D, (squares_D / count - mean_D.square()).clamp_min(0).sqrt())


@torch.no_grad()
def predict_rows(
    model: DistributionModel,
    examples: Examples,
    states: AudioStates,
    batch: int,
    show: bool = False,
    processes: Processes | None = None,
) -> NDArray[np.float64]:
    """``p_NK`` of the examples, in their order; the model is left in evaluation mode.

    ``processes``, where given, share the batches, and all of them get all the answers.
    """
    model.eval()
    p_NK = np.zeros_like(examples.target_NK)
    pad_id = pad_id_of(model)
    batches = by_length(examples.length_N, batch)
    parts = processes.share(batches) if processes else [(0, rows, True) for rows in batches]
    bf16 = model.backbone.dtype == torch.bfloat16
    with torch.autocast(model.backbone.device.type, torch.bfloat16, enabled=bf16):
        for _, rows, counts in track(parts, "Predicting") if show else parts:
            log_p_BK = model.answer(examples.batch(rows, states, pad_id))
            if counts:
                p_NK[rows] = log_p_BK.double().exp().cpu().numpy()
    if processes:
        p_NK = processes.summed(p_NK)
    return p_NK / p_NK.sum(axis=1, keepdims=True)
