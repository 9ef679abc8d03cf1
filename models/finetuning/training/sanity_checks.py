"""Checks before training: the audio reaches the model, and a batch gives the same predictions as its single rows.

The paper's public code lost the audio in its collator, so its models were trained on text alone. The first check
detects that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.errors import UserError
from ambivox.models.finetuning.data.examples import Examples
from ambivox.models.finetuning.model.distribution_loss import distribution_loss
from ambivox.models.finetuning.model.distribution_model import DistributionModel

_ROWS = 8
_SMALLEST_CHANGE = 1e-7
_TOLERANCE_FLOAT32 = 1e-4
_TOLERANCE_BFLOAT16 = 5e-2


@dataclass(frozen=True)
class SanityChecks:
    """What the checks measured.

    Attributes:
        gradient: Norm of the loss's gradient at the audio states.
        change: Largest change of a probability when the rows' audio is exchanged.
        batch_difference: Largest difference of a probability between a batch, padded on either side, and single rows.
    """

    gradient: float
    change: float
    batch_difference: float


def check_before_training(model: DistributionModel, examples: Examples, states: AudioStates) -> SanityChecks:
    """Run the checks on a few examples of different lengths.

    Args:
        model: The untrained model.
        examples: The training examples.
        states: Their audio states.

    Returns:
        The measured values.

    Raises:
        UserError: The audio does not reach the model, or a batch differs from its single rows.
    """
    rows = _rows_of_different_lengths(examples)
    model.eval()
    checks = SanityChecks(
        *_audio_sensitivity(model, examples, rows, states), _batch_difference(model, examples, rows, states)
    )
    if not checks.gradient > 0:
        raise UserError(
            "the audio does not reach the model: the loss has no gradient at the audio states; choose another ALM"
        )
    if not checks.change > _SMALLEST_CHANGE:
        raise UserError(
            "the audio does not reach the model: other audio gives the same predictions; choose another ALM"
        )
    tolerance = _TOLERANCE_FLOAT32 if model.backbone.dtype == torch.float32 else _TOLERANCE_BFLOAT16
    if not checks.batch_difference < tolerance:
        raise UserError(
            f"padding leaks into the predictions: a batch differs by {checks.batch_difference:.2g} from its single "
            f"rows, expected less than {tolerance:g}; choose another ALM"
        )
    return checks


def _audio_sensitivity(
    model: DistributionModel, examples: Examples, rows: list[int], states: AudioStates
) -> tuple[float, float]:
    """``SanityChecks.gradient`` and ``SanityChecks.change``."""
    batch = examples.batch(rows, states, model.pad_id)
    audio_XD = batch.audio_XD.float().to(model.backbone.device).requires_grad_()
    log_p_BK = model.predict_batch(replace(batch, audio_XD=audio_XD))
    distribution_loss(batch.target_BK.to(log_p_BK.device), log_p_BK).sum().backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)
    assert audio_XD.grad is not None
    with torch.no_grad():
        exchanged_BK = model.predict_batch(replace(batch, audio_XD=audio_XD.detach().flip(0)))
    return float(audio_XD.grad.norm()), float((exchanged_BK.exp() - log_p_BK.detach().exp()).abs().max())


@torch.no_grad()
def _batch_difference(
    model: DistributionModel, examples: Examples, rows: list[int], states: AudioStates
) -> float:
    single = [model.predict_batch(examples.batch([row], states, model.pad_id)) for row in rows]
    p_single_BK = torch.cat(single).exp()
    padded = [
        model.predict_batch(examples.batch(rows, states, model.pad_id, side)).exp()
        for side in ("left", "right")
    ]
    return max(float((p_BK - p_single_BK).abs().max()) for p_BK in padded)


def _rows_of_different_lengths(examples: Examples) -> list[int]:
    """A few rows from the shortest to the longest."""
    order_N = examples.length_N.argsort(kind="stable")
    step = max(1, (len(order_N) - 1) // (_ROWS - 1)) if len(order_N) > 1 else 1
    return [int(row) for row in {*order_N[::step][: _ROWS - 1], order_N[-1]}]
