"""Stage 1 of the tiny ALM's training: the tower learns to hear, with a light head that says a distribution.

Targets are the votes' shares n/N; the loss is their cross entropy, a proper score, so a model that does not
know says the prior. Each clip is altered anew every time (models/tiny/altering.py). What is kept is the running
average of the weights at the epoch that did best on speakers who were cut off for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.progress import bar
from models.tiny.altering import Altering, altered_batch
from models.tiny.checkpoint import Checkpoint
from models.tiny.mels import Mels, pad_batch
from models.tiny.tower import hear, mean_logits

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ListeningOptions:
    """How the tower is trained."""

    epochs: int = 40
    batch: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warm_up: float = 0.1  # the share of training in which the learning rate rises
    average: float = 0.995  # how much of the running average a step keeps
    dropout: float = 0.1
    altering: Altering = field(default_factory=Altering)
    seed: int = 0


class Listener:
    """A tower, its head, and the running average of both."""

    def __init__(self, tower: Any, label_count: int) -> None:
        import torch

        self.tower = tower
        self.head = torch.nn.Linear(tower.config.d_model, label_count)
        torch.nn.init.zeros_(self.head.weight)
        self.parts = torch.nn.ModuleDict({"tower": tower, "head": self.head})
        self.average = {name: value.detach().clone() for name, value in self.parts.state_dict().items()}
        self.steps = 0

    def logits(self, mels_BMT: torch.Tensor, frames_B: torch.Tensor) -> torch.Tensor:
        """Log-odds of the labels, B x K."""
        return mean_logits(*hear(self.tower, mels_BMT, frames_B), self.head)

    def follow(self, decay: float) -> None:
        """Move the running average towards the weights (faster at the beginning)."""
        self.steps += 1
        decay = min(decay, (1 + self.steps) / (10 + self.steps))
        for name, value in self.parts.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)


def train_listener(
    listener: Listener,
    mels: Mels,
    p_NK: NDArray[np.float64],
    is_kept_back_N: NDArray[np.bool_],
    options: ListeningOptions,
    checkpoint: Path | None = None,
) -> list[dict[str, float]]:
    """Train in place; on return the listener holds the averaged weights of the best epoch.

    Args:
        listener: to be trained.
        mels: N clips.
        p_NK: the votes' shares.
        is_kept_back_N: which clips are for choosing the epoch only.
        options: how.
        checkpoint: a file that is written after each epoch, and gone on from where it is there.

    Returns:
        One entry an epoch: loss on the training clips, cross entropy and JS (base 2) on the clips kept back.
    """
    import torch

    _set_dropout(listener.tower, options.dropout)
    train_rows = np.flatnonzero(~is_kept_back_N)
    kept_rows = np.flatnonzero(is_kept_back_N)
    with torch.no_grad():
        listener.head.bias.copy_(torch.from_numpy(np.log(p_NK[train_rows].mean(0) + 1e-3)))
        listener.average["head.bias"].copy_(listener.head.bias)
    decayed = [w for w in listener.parts.parameters() if w.requires_grad and w.ndim > 1]
    others = [w for w in listener.parts.parameters() if w.requires_grad and w.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.98))
    progress_file = Checkpoint(checkpoint, listener, optimiser)
    history, best = progress_file.resume()
    steps_per_epoch = -(-len(train_rows) // options.batch)
    with bar() as progress:
        task = progress.add_task("Learning to listen", total=options.epochs * steps_per_epoch, note="")
        progress.update(task, completed=len(history) * steps_per_epoch)
        for epoch in range(len(history), options.epochs):
            torch.manual_seed(options.seed * 100_003 + epoch)
            rng = np.random.default_rng([options.seed, epoch])
            listener.parts.train()
            losses = []
            for step, rows in enumerate(_batches(train_rows, mels.frames_N, options.batch, rng)):
                done = (epoch + step / steps_per_epoch) / options.epochs
                for group in optimiser.param_groups:
                    group["lr"] = options.learning_rate * _schedule(done, options.warm_up)
                batch, frames, target = altered_batch(mels, p_NK, rows, options.altering, rng)
                log_q = torch.log_softmax(listener.logits(batch, frames), dim=1)
                loss = -(target * log_q).sum(1).mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(listener.parts.parameters(), 1.0)
                optimiser.step()
                listener.follow(options.average)
                losses.append(loss.item())
                progress.advance(task)
            entry = {"loss": float(np.mean(losses))} | _judge(listener, mels, p_NK, kept_rows)
            history.append(entry)
            if entry["validation_loss"] <= min(past["validation_loss"] for past in history):
                best = {name: value.clone() for name, value in listener.average.items()}
            progress_file.save(history, best)
            note = f"loss {entry['loss']:.3f}  JS {entry['validation_js']:.3f}"
            progress.update(task, note=note)
    listener.parts.load_state_dict(best)
    listener.parts.eval()
    _set_dropout(listener.tower, 0.0)
    return history


def predict(listener: Listener, mels: Mels, rows: NDArray[np.int64], batch: int = 32) -> NDArray[np.float64]:
    """The head's distributions for these clips, by the weights as they are."""
    import torch

    listener.parts.eval()
    q_NK = np.zeros((len(rows), listener.head.out_features))
    order = np.argsort(mels.frames_N[rows], kind="stable")
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            part = order[start : start + batch]
            clips = pad_batch([mels.clip(int(row)) for row in rows[part]])
            logits = listener.logits(clips, torch.from_numpy(mels.frames_N[rows[part]]))
            q_NK[part] = torch.softmax(logits.double(), dim=1).numpy()
    return q_NK


def _judge(
    listener: Listener, mels: Mels, p_NK: NDArray[np.float64], rows: NDArray[np.int64]
) -> dict[str, float]:
    """Cross entropy (nats) and JS of the averaged weights on clips kept back."""
    from models.validation.metrics import jensen_shannon

    current = {name: value.clone() for name, value in listener.parts.state_dict().items()}
    listener.parts.load_state_dict(listener.average)
    q_NK = predict(listener, mels, rows)
    listener.parts.load_state_dict(current)
    loss = float(-(p_NK[rows] * np.log(q_NK + 1e-12)).sum(1).mean())
    return {"validation_loss": loss, "validation_js": float(jensen_shannon(p_NK[rows], q_NK).mean())}


def _schedule(done: float, warm_up: float) -> float:
    """Linear up, then half a cosine down to a fiftieth; ``done`` from 0 to 1."""
    if done < warm_up:
        return max(done / warm_up, 0.02)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


def _batches(
    rows: NDArray[np.int64], frames_N: NDArray[np.int64], size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Batches of clips of about the same length, in random order: little padding, still random company."""
    shuffled = rows[np.argsort(frames_N[rows] + rng.uniform(-25, 25, len(rows)))]
    starts = np.arange(0, len(rows), size)
    for start in rng.permutation(starts):
        yield shuffled[start : start + size]


def _set_dropout(tower: Any, rate: float) -> None:
    tower.dropout = rate
    for layer in tower.layers:
        layer.dropout = layer.activation_dropout = layer.self_attn.dropout = rate
