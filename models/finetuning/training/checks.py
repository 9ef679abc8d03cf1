"""Before training: does the audio reach the model, and does a batch answer as each of its rows alone?

The paper's public code trained a model that never heard anything; this is the check that would have said so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.errors import UserError
from ambivox.models.finetuning.data.examples import Examples
from ambivox.models.finetuning.model.distribution_head import distribution_loss
from ambivox.models.finetuning.model.distribution_model import DistributionModel

_ROWS = 8


@dataclass(frozen=True)
class Findings:
    """``gradient``: norm of the loss's gradient at the audio states; ``change``: the largest change of a
    probability when a row hears another's audio; ``batch_difference``: between a batch and single rows, on
    either side's padding.
    """

    gradient: float
    change: float
    batch_difference: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def check_before_training(model: DistributionModel, examples: Examples, states: AudioStates) -> Findings:
    """Measure on a few rows of different lengths.

    Raises:
        UserError: the audio does not move the model, or a batch answers differently from its rows.
    """
    rows = _spread(examples)
    pad_id = pad_id_of(model)
    model.eval()
    found = Findings(
        *_hearing(model, examples, rows, states, pad_id), _difference(model, examples, rows, states, pad_id)
    )
    if not found.gradient > 0:
        raise UserError(
            "the audio does not reach the model: the loss has no gradient at the audio tower's states"
        )
    if not found.change > 1e-7:
        raise UserError("the audio does not reach the model: hearing another recording changes no answer")
    tolerance = 1e-4 if model.backbone.dtype == torch.float32 else 5e-2
    if not found.batch_difference < tolerance:
        raise UserError(
            f"a batch answers differently from its rows alone (by {found.batch_difference:.2g}): padding leaks"
        )
    return found


def _hearing(
    model: DistributionModel, examples: Examples, rows: list[int], states: AudioStates, pad_id: int
) -> tuple[float, float]:
    batch = examples.batch(rows, states, pad_id)
    heard = batch.audio_XD.float().to(model.backbone.device).requires_grad_()
    log_p_BK = model.answer(replace(batch, audio_XD=heard))
    distribution_loss(batch.target_BK.to(log_p_BK.device), log_p_BK).sum().backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)
    assert heard.grad is not None
    with torch.no_grad():
        other = model.answer(replace(batch, audio_XD=heard.detach().flip(0)))
    return float(heard.grad.norm()), float((other.exp() - log_p_BK.detach().exp()).abs().max())


@torch.no_grad()
def _difference(
    model: DistributionModel, examples: Examples, rows: list[int], states: AudioStates, pad_id: int
) -> float:
    alone = torch.cat([model.answer(examples.batch([row], states, pad_id)) for row in rows]).exp()
    together = [model.answer(examples.batch(rows, states, pad_id, side)).exp() for side in ("left", "right")]
    return max(float((answers - alone).abs().max()) for answers in together)


def _spread(examples: Examples) -> list[int]:
    """A few rows from the shortest to the longest."""
    order = examples.length_N.argsort(kind="stable")
    step = max(1, (len(order) - 1) // (_ROWS - 1)) if len(order) > 1 else 1
    return [int(row) for row in {*order[::step][: _ROWS - 1], order[-1]}]


def pad_id_of(model: DistributionModel) -> int:
    """The token that fills up rows; it is masked, so any would do."""
    pad = model.backbone.tokenizer.pad_token_id
    return 0 if pad is None else int(pad)
