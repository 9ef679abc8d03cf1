"""Stage 1 of the tiny ALM's training: the tower learns what the statistics that it hears say of emotion.

The tower starts as the program of models/embedded_alm/moments.py; what is learnt is the MLP that reads its statistics,
so each clip goes through the tower once (and once more for each altered copy) and an epoch takes a second.
Targets are the votes' shares n/N; the loss is their cross entropy, a proper score, so a model that does not
know says the prior. Noise, dropout and mixup (arXiv 1710.09412) keep it from learning the speakers by heart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.embedded_alm.altering import Altering, altered
from ambivox.models.embedded_alm.mels import MARGIN_FRAMES, Mels, pad_batch
from ambivox.models.embedded_alm.moments import Places, statistics, write_reader
from ambivox.models.progress import bar, track

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ListeningOptions:
    """How the reading of the statistics is trained."""

    epochs: int = 30
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    noise: float = 0.5  # added to the standardised statistics
    dropout: float = 0.5
    mixup: float = 0.4
    copies: int = 1  # altered ones, of every training clip
    altering: Altering = field(default_factory=Altering)
    seed: int = 0


def train_listener(
    tower: Any,
    places: Places,
    mels: Mels,
    p_NK: NDArray[np.float64],
    is_kept_back_N: NDArray[np.bool_],
    options: ListeningOptions,
) -> list[dict[str, float]]:
    """Train in place; on return the tower holds the weights of the epoch that did best on clips kept back.

    Args:
        tower: a Qwen2AudioEncoder with the program of ``write_moments``.
        places: where in it things are.
        mels: N clips.
        p_NK: the votes' shares.
        is_kept_back_N: which clips are for choosing the epoch only.
        options: how.

    Returns:
        One entry an epoch: loss on the training clips, cross entropy (nats) and JS (base 2) on the clips kept back.
    """
    import torch

    train_rows, kept_rows = np.flatnonzero(~is_kept_back_N), np.flatnonzero(is_kept_back_N)
    rng = np.random.default_rng([options.seed, 3])
    jobs = [(int(row), copy) for copy in range(1 + options.copies) for row in train_rows]
    heard_XS = _hear_all(tower, places, mels, jobs, options.altering, rng)
    kept_NS = _hear_all(tower, places, mels, [(int(row), 0) for row in kept_rows], options.altering, rng)
    target_XK = torch.from_numpy(p_NK[[row for row, _ in jobs]]).float()
    centre_S, size_S = heard_XS.mean(0), heard_XS.std(0) + 1e-4
    torch.manual_seed(options.seed)
    hidden = tower.layers[1].fc1.out_features
    into = torch.nn.Linear(heard_XS.shape[1], hidden)
    out = torch.nn.Linear(hidden, p_NK.shape[1])
    reader = torch.nn.Sequential(into, torch.nn.GELU(), torch.nn.Dropout(options.dropout), out)
    with torch.no_grad():
        out.weight.mul_(0.1)
        out.bias.copy_(torch.from_numpy(np.log(p_NK[train_rows].mean(0) + 1e-3)))
    judge = _Judge((kept_NS - centre_S) / size_S, p_NK[kept_rows])
    history, best = _fit(reader, (heard_XS - centre_S) / size_S, target_XK, judge, options, rng)
    reader.load_state_dict(best)
    with torch.no_grad():
        into_HS = into.weight / size_S
        first = (into_HS, into.bias - into_HS @ centre_S)
        write_reader(tower, places, first, (out.weight, out.bias))
    return history


def _fit(
    reader: Any,
    x_XS: torch.Tensor,
    target_XK: torch.Tensor,
    judge: _Judge,
    options: ListeningOptions,
    rng: np.random.Generator,
) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    import torch

    optimiser = torch.optim.AdamW(
        reader.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    history: list[dict[str, float]] = []
    best: dict[str, torch.Tensor] = {}
    steps = -(-len(x_XS) // options.batch)
    with bar() as progress:
        task = progress.add_task("Learning to listen", total=options.epochs, note="")
        for epoch in range(options.epochs):
            reader.train()
            losses = []
            for step, rows in enumerate(np.array_split(rng.permutation(len(x_XS)), steps)):
                done = (epoch + step / steps) / options.epochs
                for group in optimiser.param_groups:
                    group["lr"] = options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
                x, target = x_XS[rows], target_XK[rows]
                x = x + options.noise * torch.randn(x.shape)
                share = torch.from_numpy(rng.beta(options.mixup, options.mixup, (len(rows), 1))).float()
                partner = torch.from_numpy(rng.permutation(len(rows)))
                x = share * x + (1 - share) * x[partner]
                target = share * target + (1 - share) * target[partner]
                loss = -(target * torch.log_softmax(reader(x), dim=1)).sum(1).mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                losses.append(loss.item())
            history.append({"loss": float(np.mean(losses))} | judge(reader))
            if history[-1]["validation_loss"] <= min(past["validation_loss"] for past in history):
                best = {name: value.clone() for name, value in reader.state_dict().items()}
            note = f"loss {history[-1]['loss']:.3f}  JS {history[-1]['validation_js']:.3f}"
            progress.update(task, advance=1, note=note)
    return history, best


class _Judge:
    """What a reader says of the clips kept back."""

    def __init__(self, x_NS: torch.Tensor, p_NK: NDArray[np.float64]) -> None:
        self.x_NS, self.p_NK = x_NS, p_NK

    def __call__(self, reader: Any) -> dict[str, float]:
        """Cross entropy (nats) and JS (base 2)."""
        import torch

        from ambivox.models.statistics.metrics import jensen_shannon

        reader.eval()
        with torch.inference_mode():
            q_NK = torch.softmax(reader(self.x_NS).double(), dim=1).numpy()
        loss = float(-(self.p_NK * np.log(q_NK + 1e-12)).sum(1).mean())
        return {"validation_loss": loss, "validation_js": float(jensen_shannon(self.p_NK, q_NK).mean())}


def _hear_all(
    tower: Any,
    places: Places,
    mels: Mels,
    jobs: list[tuple[int, int]],
    altering: Altering,
    rng: np.random.Generator,
    batch: int = 32,
) -> torch.Tensor:
    """The statistics of each (clip, copy), copy 0 being the clip itself."""
    import torch

    heard = torch.zeros(len(jobs), places.statistics.stop - places.statistics.start)
    by_length = np.argsort([mels.frames_N[row] for row, _ in jobs], kind="stable")
    starts = range(0, len(jobs), batch)
    for start in track(starts, "Hearing", total=len(starts)):
        part = by_length[start : start + batch]
        clips = [
            altered(mels.clip(row), altering, rng) if copy else mels.clip(row)
            for row, copy in (jobs[job] for job in part)
        ]
        frames_B = torch.tensor([clip.shape[1] - MARGIN_FRAMES for clip in clips])
        heard[part] = statistics(tower, places, pad_batch(clips), frames_B)
    return heard


def head_of(tower: Any, places: Places) -> tuple[torch.Tensor, torch.Tensor]:
    """The head that reads a frame's logits: weights K x D and biases K."""
    import torch

    weight_KD = torch.zeros(places.label_count, tower.config.d_model)
    weight_KD[:, places.logit] = torch.eye(places.label_count)
    return weight_KD, torch.zeros(places.label_count)
