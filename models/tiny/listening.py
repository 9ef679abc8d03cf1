"""Stage 1 of the tiny ALM's training: the tower learns to hear, with a light head that says a distribution.

Targets are the votes' shares n/N; the loss is their cross entropy, a proper score, so a model that does not
know says the prior. Few clips are made to go far by masking bands and stretches of time (SpecAugment, arXiv
1904.08779), stretching in time, shifting bands (as another vocal tract would) and loudness, and mixing pairs
(mixup, arXiv 1710.09412). What is kept is the running average of the weights at the epoch that did best on
speakers who were cut off for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.files import atomic_path
from models.progress import bar
from models.tiny.mels import MARGIN_FRAMES, Mels, pad_batch
from models.tiny.tower import hear, mean_logits

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ListeningOptions:
    """How the tower is trained; lengths in mel frames (10 ms), bands of 128."""

    epochs: int = 40
    batch: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warm_up: float = 0.1
    average: float = 0.995
    masked_bands: int = 20
    masked_frames: int = 25
    masks: int = 2
    stretch: float = 0.12
    shift_bands: int = 3
    loudness: float = 0.08  # in the front end's units: log10 of power over 4, so 3.2 dB
    mixup: float = 0.3
    longest: int = 400  # a longer clip is cut to that, at a random place
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

    train_rows = np.flatnonzero(~is_kept_back_N)
    kept_rows = np.flatnonzero(is_kept_back_N)
    with torch.no_grad():
        listener.head.bias.copy_(torch.from_numpy(np.log(p_NK[train_rows].mean(0) + 1e-3)))
        listener.average["head.bias"].copy_(listener.head.bias)
    decayed = [w for w in listener.parts.parameters() if w.requires_grad and w.ndim > 1]
    others = [w for w in listener.parts.parameters() if w.requires_grad and w.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.98))
    progress_file = _Checkpoint(checkpoint, listener, optimiser)
    history, best = progress_file.resume()
    steps_per_epoch = -(-len(train_rows) // options.batch)
    with bar() as progress:
        task = progress.add_task("Learning to listen", total=options.epochs, completed=len(history), note="")
        for epoch in range(len(history), options.epochs):
            torch.manual_seed(options.seed * 100_003 + epoch)
            rng = np.random.default_rng([options.seed, epoch])
            listener.parts.train()
            losses = []
            for step, rows in enumerate(_batches(train_rows, mels.frames_N, options.batch, rng)):
                done = (epoch + step / steps_per_epoch) / options.epochs
                for group in optimiser.param_groups:
                    group["lr"] = options.learning_rate * _schedule(done, options.warm_up)
                batch, frames, target = _augmented(mels, p_NK, rows, options, rng)
                log_q = torch.log_softmax(listener.logits(batch, frames), dim=1)
                loss = -(target * log_q).sum(1).mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(listener.parts.parameters(), 1.0)
                optimiser.step()
                listener.follow(options.average)
                losses.append(loss.item())
            entry = {"loss": float(np.mean(losses))} | _judge(listener, mels, p_NK, kept_rows)
            history.append(entry)
            if entry["validation_loss"] <= min(past["validation_loss"] for past in history):
                best = {name: value.clone() for name, value in listener.average.items()}
            progress_file.save(history, best)
            note = f"loss {entry['loss']:.3f}  JS {entry['validation_js']:.3f}"
            progress.update(task, advance=1, note=note)
    listener.parts.load_state_dict(best)
    listener.parts.eval()
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


def _judge(listener: Listener, mels: Mels, p_NK: NDArray[np.float64], rows: NDArray[np.int64]) -> dict[str, float]:
    """Cross entropy (nats) and JS of the averaged weights on clips kept back."""
    from models.metrics import jensen_shannon

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


def _augmented(
    mels: Mels, p_NK: NDArray[np.float64], rows: NDArray[np.int64], options: ListeningOptions, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One training batch: spectrograms, their lengths, targets."""
    import torch

    clips = [_altered(mels.clip(int(row)), options, rng) for row in rows]
    frames_B = torch.tensor([clip.shape[1] - MARGIN_FRAMES for clip in clips])
    batch = pad_batch(clips)
    target = torch.from_numpy(p_NK[rows]).float()
    if options.mixup and len(rows) > 1:
        share_B = rng.beta(options.mixup, options.mixup, len(rows)).astype(np.float32)
        share_B = np.maximum(share_B, 1 - share_B)  # a clip stays mostly itself, and keeps its length
        partner = torch.from_numpy(rng.permutation(len(rows)))
        share = torch.from_numpy(share_B)
        batch = share[:, None, None] * batch + (1 - share)[:, None, None] * batch[partner]
        target = share[:, None] * target + (1 - share)[:, None] * target[partner]
    return batch, frames_B, target


def _altered(clip: NDArray[np.float32], options: ListeningOptions, rng: np.random.Generator) -> NDArray[np.float32]:
    bands, frames = clip.shape[0], clip.shape[1]
    speed = 1 + rng.uniform(-options.stretch, options.stretch)
    at = np.minimum(np.arange(round(frames / speed)) * speed, frames - 1)
    low = at.astype(np.int64)
    share = (at - low).astype(np.float32)
    clip = clip[:, low] * (1 - share) + clip[:, np.minimum(low + 1, frames - 1)] * share
    shift = int(rng.integers(-options.shift_bands, options.shift_bands + 1))
    clip = clip[np.clip(np.arange(bands) - shift, 0, bands - 1)]
    clip = clip + np.float32(rng.uniform(-options.loudness, options.loudness))
    if clip.shape[1] > options.longest + MARGIN_FRAMES:
        first = int(rng.integers(0, clip.shape[1] - MARGIN_FRAMES - options.longest + 1))
        clip = clip[:, first : first + options.longest + MARGIN_FRAMES]
    hidden = np.float32(clip.mean())
    for _ in range(options.masks):
        width = int(rng.integers(0, options.masked_bands + 1))
        first = int(rng.integers(0, bands - width + 1))
        clip[first : first + width] = hidden
        width = int(rng.integers(0, min(options.masked_frames, clip.shape[1] // 4) + 1))
        first = int(rng.integers(0, clip.shape[1] - width + 1))
        clip[:, first : first + width] = hidden
    return clip


class _Checkpoint:
    """All that an epoch leaves behind, as tensors in one safetensors file."""

    def __init__(self, file: Path | None, listener: Listener, optimiser: Any) -> None:
        self.file, self.listener, self.optimiser = file, listener, optimiser

    def resume(self) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
        """The history and the best weights so far; weights and optimiser are set as they were."""
        from safetensors import safe_open

        best = {name: value.clone() for name, value in self.listener.average.items()}
        if self.file is None or not self.file.is_file():
            return [], best
        import json

        with safe_open(self.file, framework="pt") as held:
            tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118 (not a dict)
            history = json.loads(held.metadata()["history"])
        self.listener.parts.load_state_dict(_under("weights", tensors))
        self.listener.average = _under("average", tensors)
        self.listener.steps = int(tensors["steps"])
        state = self.optimiser.state_dict()
        moments = _under("optimiser", tensors)
        for name, value in moments.items():
            index, field = name.split(".")
            state["state"].setdefault(int(index), {})[field] = value
        self.optimiser.load_state_dict(state)
        return history, _under("best", tensors)

    def save(self, history: list[dict[str, float]], best: dict[str, torch.Tensor]) -> None:
        """Write to a temporary name, then rename."""
        if self.file is None:
            return
        import json

        import torch
        from safetensors.torch import save_file

        tensors = {"steps": torch.tensor(self.listener.steps)}
        tensors |= {f"weights/{name}": value.clone() for name, value in self.listener.parts.state_dict().items()}
        tensors |= {f"average/{name}": value.clone() for name, value in self.listener.average.items()}
        tensors |= {f"best/{name}": value for name, value in best.items()}
        for index, fields in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}.{field}": value for field, value in fields.items()}
        with atomic_path(self.file) as temporary:
            save_file(tensors, temporary, metadata={"history": json.dumps(history)})


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.split("/", 1)[1]: value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
