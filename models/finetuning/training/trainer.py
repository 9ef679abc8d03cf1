"""One optimiser step, and the end of an epoch.

A step's loss is the weighted mean over all its utterances, whatever their division into batches and processes. Nothing
depends on interruptions: the order of an epoch is drawn from (seed, epoch), and dropout from (seed, step, part of the
step).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.finetuning.data.batches import shuffled_by_length
from ambivox.models.finetuning.data.examples import Examples
from ambivox.models.finetuning.distributed.processes import Processes
from ambivox.models.finetuning.model.distribution_loss import distribution_loss
from ambivox.models.finetuning.model.distribution_model import DistributionModel
from ambivox.models.finetuning.settings import FinetuneSettings
from ambivox.models.finetuning.training.batched_forward import predict_examples
from ambivox.models.finetuning.training.schedule import learning_rate_share
from ambivox.models.finetuning.training.state import TrainingState
from ambivox.models.statistics.metrics import jensen_shannon


class Trainer:
    """Takes the steps of a run."""

    def __init__(
        self,
        model: DistributionModel,
        training: Examples,
        development: Examples | None,
        states: AudioStates,
        settings: FinetuneSettings,
        processes: Processes,
    ) -> None:
        """Build the optimiser and wrap the model.

        Args:
            model: The model; it is wrapped in DDP if there are several processes.
            training: Training examples.
            development: Development examples, or None.
            states: The audio states of both.
            settings: The settings.
            processes: The process group.
        """
        self.state = TrainingState(model, settings)
        batches = math.ceil(len(training) / settings.batch)
        self.steps_per_epoch = math.ceil(batches / settings.accumulation)
        self._model, self._wrapped = model, processes.wrap(model)
        self._training, self._development, self._audio_states = training, development, states
        self._settings, self._processes = settings, processes
        self._drawn_epoch = -1
        self._examples, self._batches = training, list[NDArray[np.int64]]()

    @property
    def finished(self) -> bool:
        """Whether all epochs are complete, or early stopping applies."""
        progress, settings = self.state.progress, self._settings
        epochs_since_best = progress.epoch - 1 - progress.best_epoch
        stopped = self._development is not None and epochs_since_best >= settings.early_stopping_patience
        return stopped or progress.epoch >= settings.epochs

    def take_step(self) -> int:
        """Take one optimiser step on ``accumulation`` batches.

        Returns:
            The number of utterances in the step.
        """
        progress, settings = self.state.progress, self._settings
        self._draw_epoch()
        first = progress.step_in_epoch * settings.accumulation
        batches = self._batches[first : first + settings.accumulation]
        total_weight = float(sum(self._training.weight_N[rows].sum() for rows in batches))
        self._model.train()
        self.state.optimiser.zero_grad(set_to_none=True)
        loss = self._backward(batches, total_weight)
        torch.nn.utils.clip_grad_norm_(self.state.trainable.values(), settings.clip_norm)
        for group in self.state.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        self.state.optimiser.step()
        progress.loss_sum += self._processes.sum_scalar(loss) * total_weight
        progress.weight_sum += total_weight
        progress.step_in_epoch += 1
        progress.step += 1
        return sum(map(len, batches))

    def end_epoch(self) -> dict[str, float]:
        """Evaluate on the development split, keep the weights if they are the best, and begin the next epoch.

        Returns:
            The epoch's row of the curves.
        """
        progress = self.state.progress
        row = {
            "epoch": float(progress.epoch + 1),
            "loss": progress.loss_sum / progress.weight_sum,
            "learning_rate": self.state.optimiser.param_groups[0]["lr"],
        }
        score = -float(progress.epoch)  # Without a development split, the last epoch is the best.
        if self._development is not None:
            row |= self._development_scores(self._development)
            score = row[f"development_{self._settings.loss.replace('-', '_')}"]
        progress.curves.append(row)
        if score < progress.best_score:
            self.state.mark_best(score)
        progress.epoch += 1
        progress.step_in_epoch, progress.loss_sum, progress.weight_sum = 0, 0.0, 0.0
        return row

    def _draw_epoch(self) -> None:
        """Draw the current epoch's examples and batches, unless that is done."""
        epoch = self.state.progress.epoch
        if self._drawn_epoch == epoch:
            return
        random = np.random.default_rng([self._settings.seed, epoch])
        self._examples = self._training.draw_variants(random, self._settings.perturbation)
        self._batches = shuffled_by_length(self._examples.length_N, self._settings.batch, random)
        self._drawn_epoch = epoch

    def _backward(self, batches: list[NDArray[np.int64]], total_weight: float) -> Tensor:
        """Compute this process's share of the step's gradients and loss."""
        settings, processes = self._settings, self._processes
        loss = torch.zeros((), device=self._model.backbone.device)
        parts = processes.share(batches)
        for index, (number, rows, counts) in enumerate(parts):
            torch.manual_seed(_seed(settings.seed, self.state.progress.step, number))
            batch = self._examples.batch(rows, self._audio_states, self._model.pad_id)
            is_last = index == len(parts) - 1
            with processes.exchange_gradients(self._wrapped, is_last), self._model.autocast():
                log_p_BK = self._model.predict_batch(batch, self._wrapped)
                target_BK = batch.target_BK.to(log_p_BK.device)
                weight_B = batch.weight_B.to(log_p_BK.device)
                loss_B = distribution_loss(target_BK, log_p_BK, settings.entropy_weight, settings.loss)
                part_loss = counts * (weight_B * loss_B).sum() / total_weight
                # DDP and FSDP divide the summed gradients by the number of processes.
                (part_loss * processes.count).backward()  # type: ignore[no-untyped-call]
            loss += part_loss.detach()
        return loss

    def _learning_rate(self) -> float:
        settings = self._settings
        share = learning_rate_share(
            self.state.progress.step,
            settings.epochs * self.steps_per_epoch,
            settings.warmup_share,
            settings.cycles,
        )
        return settings.learning_rate * share

    def _development_scores(self, development: Examples) -> dict[str, float]:
        p_NK = predict_examples(
            self._model, development, self._audio_states, 2 * self._settings.batch, processes=self._processes
        )
        return {
            "development_js": float(jensen_shannon(development.target_NK, p_NK).mean()),
            "development_cross_entropy": _cross_entropy_nats(development.target_NK, p_NK),
        }


def _seed(seed: int, step: int, part: int) -> int:
    return int(np.random.SeedSequence([seed, step, part]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _cross_entropy_nats(target_NK: NDArray[np.float64], p_NK: NDArray[np.float64]) -> float:
    log_p_NK = torch.from_numpy(p_NK).clamp_min(1e-12).log()
    return float(distribution_loss(torch.tensor(target_NK), log_p_NK, 0.0, "cross-entropy").mean())
