"""The training loop: epochs of steps, resumable after every step; the best epoch's weights are kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.finetuning.data.examples import Examples
from ambivox.models.finetuning.distributed.processes import Processes
from ambivox.models.finetuning.model.distribution_model import DistributionModel
from ambivox.models.finetuning.settings import FinetuneSettings
from ambivox.models.finetuning.training.checkpoint import Checkpoints
from ambivox.models.finetuning.training.trainer import Trainer
from ambivox.models.progress import bar


@dataclass(frozen=True)
class TrainingResult:
    """The result of training.

    Attributes:
        curves: One row per epoch: epoch, loss, learning_rate, and development scores if there is that split.
        best_epoch: The epoch (from 1) whose weights were kept.
        stopped_early: Whether early stopping ended the run.
        samples_per_second: Training utterances per second in this process's lifetime.
        resumed_at: The step at which the run resumed from a checkpoint, 0 if it did not.
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
    settings: FinetuneSettings,
    checkpoints: Checkpoints,
    processes: Processes,
    tensorboard: Path | None = None,
) -> TrainingResult:
    """Train the model and leave it with the weights of the best epoch.

    The best epoch has the smallest mean loss (JS or cross-entropy, as trained on) on ``development``; without
    development examples it is the last. Training stops after ``settings.early_stopping_patience`` epochs without an
    improvement.

    Args:
        model: The untrained model.
        training: Training examples.
        development: Development examples, or None.
        states: The audio states of both.
        settings: The settings.
        checkpoints: Where checkpoints are written; an existing one is resumed.
        processes: The process group.
        tensorboard: Folder for TensorBoard's events, or None.

    Returns:
        The result.
    """
    trainer = Trainer(model, training, development, states, settings, processes)
    state = trainer.state
    checkpoint = checkpoints.read()
    if checkpoint:
        state.restore(*checkpoint)
    resumed_at = state.progress.step
    writer = _writer(tensorboard) if processes.is_main else None
    start, samples = time.monotonic(), 0
    with bar() as display:
        total_steps = settings.epochs * trainer.steps_per_epoch
        task = display.add_task("Training", total=total_steps, note="", completed=resumed_at)
        while not trainer.finished:
            for _ in range(state.progress.step_in_epoch, trainer.steps_per_epoch):
                samples += trainer.take_step()
                display.advance(task)
                _write_if_due(checkpoints, trainer, processes)
            row = trainer.end_epoch()
            display.update(task, note=_note(row, samples / (time.monotonic() - start)))
            if writer:
                for name, value in row.items():
                    writer.add_scalar(name, value, state.progress.epoch)
            _write_if_due(checkpoints, trainer, processes)
    if writer:
        writer.close()
    state.load_best()
    return TrainingResult(
        state.progress.curves,
        state.progress.best_epoch + 1,
        state.progress.epoch < settings.epochs,
        samples / max(time.monotonic() - start, 1e-9),
        resumed_at,
    )


def _write_if_due(checkpoints: Checkpoints, trainer: Trainer, processes: Processes) -> None:
    """Write a checkpoint if it is due; every process contributes its shards."""
    if processes.decision_of_main(checkpoints.is_due()):
        tensors, progress = trainer.state.snapshot()
        if processes.is_main:
            checkpoints.write(tensors, progress)


def _note(row: dict[str, float], samples_per_second: float) -> str:
    js = row.get("development_js", float("nan"))
    return f"loss {row['loss']:.4f}  JS {js:.4f}  {samples_per_second:.0f} samples/s"


def _writer(folder: Path | None) -> Any:
    if folder is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
