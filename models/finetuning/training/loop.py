"""The training loop: one epoch after the other, resumable at any step, best epoch kept.

Nothing depends on when a run was interrupted: the order of an epoch is drawn from (seed, epoch), and dropout
from (seed, step, part of the step). A step's loss is the weighted mean over all its utterances, however they
fall into batches and processes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.finetuning.data.batches import shuffled_by_length
from ambivox.models.finetuning.data.examples import Examples
from ambivox.models.finetuning.distributed.processes import Processes
from ambivox.models.finetuning.distributed.sharding import at_rest, like, whole
from ambivox.models.finetuning.model.distribution_head import distribution_loss
from ambivox.models.finetuning.model.distribution_model import DistributionModel
from ambivox.models.finetuning.settings import Settings
from ambivox.models.finetuning.training.checkpoint import Checkpoints, Progress
from ambivox.models.finetuning.training.checks import pad_id_of
from ambivox.models.finetuning.training.inference import predict_rows
from ambivox.models.finetuning.training.schedule import learning_rate_share
from ambivox.models.progress import bar
from ambivox.models.statistics.metrics import jensen_shannon


@dataclass(frozen=True)
class Result:
    """What training came to: a row of curves an epoch, the epoch (from 1) whose weights were kept, and the step that
    it went on from (0: from the beginning).
    """

    curves: list[dict[str, float]]
    best_epoch: int
    stopped_early: bool
    samples_per_second: float
    resumed_at: int


def train(
    model: DistributionModel,
    training: Examples,
    development: Examples | None,
    states: AudioStates,
    settings: Settings,
    checkpoints: Checkpoints,
    processes: Processes,
    tensorboard: Path | None = None,
) -> Result:
    """Train; the model is left with the weights of the best epoch on ``development`` (else of the last).

    Best is by what is trained on: the mean JS or cross-entropy to the targets of ``development``. Training stops
    after ``settings.patience`` epochs without an improvement.
    """
    run = _Run(model, training, development, states, settings, processes)
    found = checkpoints.read()
    if found:
        run.restore(*found)
    resumed_at = run.progress.step
    writer = _writer(tensorboard) if processes.first else None
    began, seen = time.monotonic(), 0
    with bar() as display:
        task = display.add_task(
            "Training", total=settings.epochs * run.steps_per_epoch, note="", completed=run.progress.step
        )
        while not run.finished:
            for _ in range(run.progress.step_in_epoch, run.steps_per_epoch):
                seen += run.one_step()
                display.advance(task)
                run.keep(checkpoints)
            row = run.end_epoch()
            speed = seen / (time.monotonic() - began)
            display.update(
                task,
                note=f"loss {row['loss']:.4f}  JS {row.get('development_js', float('nan')):.4f}  {speed:.0f} samples/s",
            )
            if writer:
                for name, value in row.items():
                    writer.add_scalar(name, value, run.progress.epoch)
            run.keep(checkpoints)
    if writer:
        writer.close()
    run.load(run.best)
    return Result(
        run.progress.curves,
        run.progress.best_epoch + 1,
        run.progress.epoch < settings.epochs,
        seen / max(time.monotonic() - began, 1e-9),
        resumed_at,
    )


class _Run:
    """A run's moving parts."""

    def __init__(
        self,
        model: DistributionModel,
        training: Examples,
        development: Examples | None,
        states: AudioStates,
        settings: Settings,
        processes: Processes,
    ) -> None:
        self.model, self.settings, self.states, self.processes = model, settings, states, processes
        self.training, self.development = training, development
        self.progress = Progress()
        self.trainable = model.trainable()
        self.optimiser = torch.optim.AdamW(
            self.trainable.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.wrapped = processes.wrap(model)
        self.pad_id = pad_id_of(model)
        self.best = self._copy()
        batches = -(-len(training) // settings.batch)
        self.steps_per_epoch = -(-batches // settings.accumulation)
        self._epoch: tuple[int, Examples, list[Any]] = (-1, training, [])

    @property
    def finished(self) -> bool:
        progress = self.progress
        waited = progress.epoch - 1 - progress.best_epoch
        patient = self.development is None or waited < self.settings.patience
        return progress.epoch >= self.settings.epochs or not patient

    def one_step(self) -> int:
        """One optimiser step on ``accumulation`` batches; how many utterances it saw."""
        progress, settings = self.progress, self.settings
        first = progress.step_in_epoch * settings.accumulation
        heard, batches = self._heard()
        parts = batches[first : first + settings.accumulation]
        total_weight = float(sum(self.training.weight_N[rows].sum() for rows in parts))
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.model.backbone.device)
        mine = self.processes.share(parts)
        for turn, (part, rows, counts) in enumerate(mine):
            torch.manual_seed(_seed(settings.seed, progress.step, part))
            batch = heard.batch(rows, self.states, self.pad_id)
            with (
                self.processes.synchronise(self.wrapped, turn == len(mine) - 1),
                self.processes.autocast(self.model),
            ):
                log_p_BK = self.model.answer(batch, self.wrapped)
                target, weight = batch.target_BK.to(log_p_BK.device), batch.weight_B.to(log_p_BK.device)
                losses_B = distribution_loss(target, log_p_BK, settings.entropy_weight, settings.loss)
                part_loss = counts * (weight * losses_B).sum() / total_weight
                (part_loss * self.processes.count).backward()  # type: ignore[no-untyped-call]
            loss += part_loss.detach()
        torch.nn.utils.clip_grad_norm_(self.trainable.values(), settings.clip_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.optimiser.step()
        progress.loss_sum += self.processes.total(loss) * total_weight
        progress.weight_sum += total_weight
        progress.step_in_epoch += 1
        progress.step += 1
        return sum(map(len, parts))

    def learning_rate(self) -> float:
        """Of the step that is being taken."""
        settings = self.settings
        share = learning_rate_share(
            self.progress.step, settings.epochs * self.steps_per_epoch, settings.warmup_share, settings.cycles
        )
        return settings.learning_rate * share

    def end_epoch(self) -> dict[str, float]:
        """Measure on the development split, keep the weights if they are the best, and begin the next epoch."""
        progress = self.progress
        row = {
            "epoch": float(progress.epoch + 1),
            "loss": progress.loss_sum / progress.weight_sum,
            "learning_rate": self.optimiser.param_groups[0]["lr"],
        }
        score = -float(progress.epoch)
        if self.development is not None:
            target_NK = self.development.target_NK
            p_NK = predict_rows(
                self.model, self.development, self.states, 2 * self.settings.batch, processes=self.processes
            )
            row["development_js"] = float(jensen_shannon(target_NK, p_NK).mean())
            row["development_cross_entropy"] = _cross_entropy_nats(target_NK, p_NK)
            score = row[f"development_{self.settings.loss.replace('-', '_')}"]
        progress.curves.append(row)
        if score < progress.best_score:
            progress.best_score, progress.best_epoch = score, progress.epoch
            self.best = self._copy()
        progress.epoch += 1
        progress.step_in_epoch, progress.loss_sum, progress.weight_sum = 0, 0.0, 0.0
        return row

    def keep(self, checkpoints: Checkpoints) -> None:
        """Write a checkpoint if it is time for one; every process brings its shards."""
        if self.processes.agreed(checkpoints.due()):
            tensors, progress = self.snapshot()
            if self.processes.first:
                checkpoints.write(tensors, progress)

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that ``restore`` needs, whole: another number of processes can go on from it."""
        tensors: dict[str, Tensor] = {}
        for name, value in self.trainable.items():
            tensors |= {f"now.{name}": value, f"best.{name}": self.best[name]}
            state = self.optimiser.state.get(value, {})
            tensors |= {f"{key}.{name}": state[key] for key in ("exp_avg", "exp_avg_sq") if key in state}
        return {name: whole(tensor) for name, tensor in tensors.items()}, dict(vars(self.progress))

    def restore(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.progress = Progress(**progress)
        self.load({name: tensors[f"now.{name}"] for name in self.trainable})
        for name, value in self.trainable.items():
            self.best[name] = like(tensors[f"best.{name}"], value)
            self.optimiser.state[value] = {
                "step": torch.tensor(float(self.progress.step)),
                "exp_avg": like(tensors[f"exp_avg.{name}"], value),
                "exp_avg_sq": like(tensors[f"exp_avg_sq.{name}"], value),
            }

    @torch.no_grad()
    def load(self, weights: dict[str, Tensor]) -> None:
        """Put these weights into the model."""
        at_rest(self.model)
        for name, value in self.trainable.items():
            value.copy_(like(weights[name], value))

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.trainable.items()}

    def _heard(self) -> tuple[Examples, list[Any]]:
        """The epoch's examples and batches of their rows, the same however often they are asked for."""
        epoch = self.progress.epoch
        if self._epoch[0] != epoch:
            random = np.random.default_rng([self.settings.seed, epoch])
            heard = self.training.heard(random, self.settings.perturbation)
            self._epoch = epoch, heard, shuffled_by_length(heard.length_N, self.settings.batch, random)
        return self._epoch[1:]


def _seed(seed: int, step: int, part: int) -> int:
    return int(np.random.SeedSequence([seed, step, part]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _cross_entropy_nats(target_NK: NDArray[np.float64], p_NK: NDArray[np.float64]) -> float:
    log_p_NK = torch.from_numpy(p_NK).clamp_min(1e-12).log()
    return float(distribution_loss(torch.from_numpy(target_NK), log_p_NK, 0.0, "cross-entropy").mean())


def _writer(folder: Path | None) -> Any:
    if folder is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
