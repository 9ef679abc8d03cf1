"""Forward passes over many examples, in batches by length: predictions, and statistics of the hidden states."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.finetuning.data.batches import by_length
from ambivox.models.finetuning.data.examples import Examples
from ambivox.models.finetuning.distributed.processes import Processes
from ambivox.models.finetuning.model.distribution_model import DistributionModel
from ambivox.models.progress import track


@torch.no_grad()
def standardise_head(model: DistributionModel, examples: Examples, states: AudioStates, batch: int) -> None:
    """Set the head's standardisation to the mean and deviation of the hidden states of all tokens.

    Args:
        model: The model; it is left in evaluation mode.
        examples: The training examples.
        states: Their audio states.
        batch: Examples per batch.
    """
    model.eval()
    device = model.backbone.device
    count, sum_D, squares_D = 0, torch.zeros(()), torch.zeros(())
    for rows in by_length(examples.length_N, batch):
        part = examples.batch(rows, states, model.pad_id)
        mask_BT = part.mask_BT.to(device)
        hidden_BTD = model.hidden_states(part.ids_BT.to(device), mask_BT, part.audio_XD.to(device))
        token_XD = hidden_BTD[mask_BT.bool()].double().cpu()
        count += len(token_XD)
        sum_D, squares_D = sum_D + token_XD.sum(dim=0), squares_D + token_XD.square().sum(dim=0)
    mean_D = sum_D / count
    model.head.standardise(mean_D, (squares_D / count - mean_D.square()).clamp_min(0).sqrt())


@torch.no_grad()
def predict_examples(
    model: DistributionModel,
    examples: Examples,
    states: AudioStates,
    batch: int,
    show_progress: bool = False,
    processes: Processes | None = None,
) -> NDArray[np.float64]:
    """Predict the examples' distributions.

    Args:
        model: The model; it is left in evaluation mode.
        examples: N examples.
        states: Their audio states.
        batch: Examples per batch.
        show_progress: Draw a progress bar.
        processes: Divide the batches among these processes; all of them get all predictions.

    Returns:
        ``p_NK``, in the examples' order.
    """
    model.eval()
    p_NK = np.zeros_like(examples.target_NK)
    batches = by_length(examples.length_N, batch)
    parts = processes.share(batches) if processes else [(0, rows, True) for rows in batches]
    with model.autocast():
        for _, rows, counts in track(parts, "Predicting") if show_progress else parts:
            log_p_BK = model.predict_batch(examples.batch(rows, states, model.pad_id))
            if counts:
                p_NK[rows] = log_p_BK.double().exp().cpu().numpy()
    if processes:
        p_NK = processes.sum_array(p_NK)
    return p_NK / p_NK.sum(axis=1, keepdims=True)
