"""Distributions that a fine-tuned model gives, in batches by length."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models.finetuning.audio_states import AudioStates
from models.finetuning.batches import by_length
from models.finetuning.checks import pad_id_of
from models.finetuning.examples import Examples
from models.finetuning.model import DistributionModel
from models.progress import track


@torch.no_grad()
def predict_rows(
    model: DistributionModel, examples: Examples, states: AudioStates, batch: int, show: bool = False
) -> NDArray[np.float64]:
    """``p_NK`` of the examples, in their order; the model is left in evaluation mode."""
    model.eval()
    p_NK = np.zeros_like(examples.target_NK)
    pad_id = pad_id_of(model)
    batches = by_length(examples.length_N, batch)
    bf16 = model.backbone.dtype == torch.bfloat16
    with torch.autocast(model.backbone.device.type, torch.bfloat16, enabled=bf16):
        for rows in track(batches, "Predicting") if show else batches:
            log_p_BK = model.answer(examples.batch(rows, states, pad_id))
            p_NK[rows] = log_p_BK.double().exp().cpu().numpy()
    return p_NK / p_NK.sum(axis=1, keepdims=True)
