"""Tune a Whisper encoder on votes: its upper layers and a linear head, end to end.

The convolutions and the lower layers stay as published (models/embedded_alm/frozen_states.py), so an epoch costs the
upper layers only. The head is linear and averages over time, so the projector of the ALM can carry it frame by
frame (models/embedded_alm/lookup_language_model.py). Targets are shares of votes n/N, smoothed a little towards the
corpus prior, and the loss is cross-entropy, a proper scoring rule. Random spans of time are masked, as in SpecAugment (Park et al., Interspeech 2019, arXiv 1904.08779).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.embedded_alm.audio_tower import mean_logits, pool_frames, run_layers
from ambivox.models.embedded_alm.frozen_states import FrozenStates
from ambivox.models.embedded_alm.validation import is_best, validation_scores
from ambivox.models.progress import bar

if TYPE_CHECKING:
    import torch

_INFERENCE_BATCH = 32
_BATCHES_PER_BUCKET = 8  # recordings of similar length share a batch: little padding, still random
_PRIOR_FLOOR = 1e-3
# With so many recordings the last epoch, at the end of the cycle, is kept. Fewer can be overfitted, and a few speakers
# select the epoch. On CREMA-D a selection by six speakers took an epoch in which the rate was still high.
ENOUGH_RECORDINGS = 1000


@dataclass(frozen=True)
class WhisperTuningSettings:
    """Hyperparameters of the tuning.

    Attributes:
        epochs: passes over the recordings.
        tuned_layers: how many layers are tuned, counted from the top.
        batch: recordings per optimiser step.
        learning_rate: peak rate of AdamW for the layers; one cycle, linear warm-up and cosine decay to 0.
        head_learning_rate: peak rate for the head.
        weight_decay: of AdamW.
        warm_up: share of the steps until the peak rate.
        masked_spans: spans of time masked per recording.
        masked_share: longest span, as a share of the recording.
        smoothing: weight of the corpus prior in the targets; three votes say less than their shares do.
        seed: of all random draws.
        threads: threads of torch; a fixed number, so that equal data give equal bytes on equal machines.
    """

    epochs: int = 4
    tuned_layers: int = 3
    batch: int = 32
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: float = 0.1
    masked_spans: int = 4
    masked_share: float = 0.1
    smoothing: float = 0.05
    seed: int = 0
    threads: int = 2


def tune_upper_layers(
    tower: Any,
    states: FrozenStates,
    p_NK: NDArray[np.float64],
    is_validation_N: NDArray[np.bool_],
    settings: WhisperTuningSettings,
) -> tuple[tuple[torch.Tensor, torch.Tensor], list[dict[str, float]]]:
    """Tune the tower in place; it ends with the weights of the last epoch, or of the best one (ENOUGH_RECORDINGS).

    Args:
        tower: a Qwen2AudioEncoder.
        states: what its frozen layers give for N recordings.
        p_NK: shares of votes.
        is_validation_N: recordings that are not trained on.
        settings: hyperparameters.

    Returns:
        The linear head, weights (K, D) and biases (K,), and per epoch ``loss`` on the training recordings and the
        scores of ``validation_scores``.
    """
    import torch

    train_rows, validation_rows = np.flatnonzero(~is_validation_N), np.flatnonzero(is_validation_N)
    rng = np.random.default_rng([settings.seed, 5])
    torch.manual_seed(settings.seed)
    prior_K = p_NK[train_rows].mean(0)
    target_NK = (1 - settings.smoothing) * p_NK + settings.smoothing * prior_K
    head = _prior_head(int(tower.config.d_model), prior_K)
    upper = tower.layers[len(tower.layers) - settings.tuned_layers :]
    tower.requires_grad_(False)
    tuned = torch.nn.ModuleList([*upper, tower.layer_norm]).requires_grad_(True)
    trained = torch.nn.ModuleList([tuned, head])
    optimiser = torch.optim.AdamW(
        [
            {"params": list(tuned.parameters()), "peak": settings.learning_rate},
            {"params": list(head.parameters()), "peak": settings.head_learning_rate},
        ],
        weight_decay=settings.weight_decay,
    )
    best: dict[str, torch.Tensor] = {}
    history: list[dict[str, float]] = []
    steps = settings.epochs * -(-len(train_rows) // settings.batch)
    step = 0
    with bar() as progress:
        task = progress.add_task("Tuning Whisper", total=steps, note="")
        for _ in range(settings.epochs):
            losses = []
            for rows in _batches(train_rows, states.encoded_N, settings.batch, rng):
                x_BTD, encoded_B = states.batch(rows)
                _mask_spans(x_BTD, encoded_B.numpy(), settings, rng)
                logits_BK = _logits(tower, upper, head, x_BTD, encoded_B)
                target_BK = torch.from_numpy(target_NK[rows]).float()
                loss = -(target_BK * torch.log_softmax(logits_BK, dim=1)).sum(1).mean()
                for group in optimiser.param_groups:
                    group["lr"] = group["peak"] * _one_cycle(step / steps, settings.warm_up)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
                optimiser.step()
                step += 1
                losses.append(loss.item())
                progress.update(task, advance=1, note=f"loss {loss.item():.3f}")
            q_NK = _predict(tower, upper, head, states, validation_rows)
            history.append({"loss": float(np.mean(losses))} | validation_scores(p_NK[validation_rows], q_NK))
            if len(p_NK) >= ENOUGH_RECORDINGS or is_best(history):
                best = _copied_weights(trained)
    trained.load_state_dict(best)
    tower.requires_grad_(False)
    return (head.weight.detach(), head.bias.detach()), history


def _prior_head(width: int, prior_K: NDArray[np.float64]) -> Any:
    """A linear head that gives the prior for every frame."""
    import torch

    head = torch.nn.Linear(width, len(prior_K))
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.from_numpy(np.log(prior_K + _PRIOR_FLOOR)))
    return head


def _predict(
    tower: Any, upper: Any, head: Any, states: FrozenStates, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Distributions over labels of some recordings, rows by K."""
    import torch

    q_NK = np.zeros((len(rows), head.out_features))
    by_length = np.argsort(states.encoded_N[rows], kind="stable")
    with torch.inference_mode():
        for start in range(0, len(rows), _INFERENCE_BATCH):
            part = by_length[start : start + _INFERENCE_BATCH]
            logits_BK = _logits(tower, upper, head, *states.batch(rows[part]))
            q_NK[part] = torch.softmax(logits_BK.double(), dim=1).numpy()
    return q_NK


def _logits(tower: Any, upper: Any, head: Any, x_BTD: torch.Tensor, encoded_B: torch.Tensor) -> torch.Tensor:
    h_BLD, is_audio_BL = pool_frames(tower, run_layers(upper, x_BTD, encoded_B), encoded_B)
    return mean_logits(h_BLD, is_audio_BL, head.weight, head.bias)


def _batches(
    rows: NDArray[np.int64], lengths_N: NDArray[np.int64], batch: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """All rows in random order, in batches of recordings of similar length."""
    shuffled = rng.permutation(rows)
    batches: list[NDArray[np.int64]] = []
    bucket = batch * _BATCHES_PER_BUCKET
    for start in range(0, len(shuffled), bucket):
        part = shuffled[start : start + bucket]
        part = part[np.argsort(lengths_N[part], kind="stable")]
        batches += [part[first : first + batch] for first in range(0, len(part), batch)]
    yield from (batches[index] for index in rng.permutation(len(batches)))


def _mask_spans(
    x_BTD: torch.Tensor,
    encoded_B: NDArray[np.int64],
    settings: WhisperTuningSettings,
    rng: np.random.Generator,
) -> None:
    """Set random spans of frames to 0, in place."""
    for x_TD, frames in zip(x_BTD, encoded_B, strict=True):
        for _ in range(settings.masked_spans):
            length = int(rng.integers(0, int(settings.masked_share * frames) + 1))
            start = int(rng.integers(0, frames - length + 1))
            x_TD[start : start + length] = 0


def _one_cycle(share: float, warm_up: float) -> float:
    """The learning rate, as a share of its peak, after a share of the steps."""
    if share < warm_up:
        return (share + 1e-3) / (warm_up + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up)))


def _copied_weights(module: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}
