"""Stage 1 of pretraining: train a classifier on the audio tower's spectral statistics.

The tower's weights are those of models/embedded_alm/spectral_statistics.py and stay fixed. So each recording passes
through the tower once, plus once per augmented copy, and an epoch of the classifier takes about a second. Targets are
shares of votes n/N. The loss is cross-entropy, a proper scoring rule: a classifier without information predicts the
prior. Noise, dropout and mixup (Zhang et al. 2018, arXiv 1710.09412) prevent overfitting to the training speakers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.embedded_alm.mel_spectrograms import MARGIN_FRAMES, MelSpectrograms, pad_batch
from ambivox.models.embedded_alm.spectral_statistics import compute_statistics, write_classifier
from ambivox.models.embedded_alm.spectrogram_augmentation import SpectrogramAugmentation, augment_spectrogram
from ambivox.models.embedded_alm.tower_layout import TowerLayout
from ambivox.models.embedded_alm.validation import is_best, validation_scores
from ambivox.models.progress import bar, track

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TowerTrainingSettings:
    """Hyperparameters of the classifier's training.

    Attributes:
        epochs: passes over the recordings and their augmented copies.
        batch: recordings per optimiser step.
        learning_rate: peak rate of AdamW, with cosine decay to 0.
        weight_decay: of AdamW.
        noise: standard deviation of Gaussian noise added to the standardised statistics.
        dropout: probability in the hidden layer.
        mixup: alpha of the Beta distribution that mixing weights are drawn from.
        copies: augmented copies per training recording.
        augmentation: limits of the augmentation.
        seed: of all random draws.
    """

    epochs: int = 30
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    noise: float = 0.5
    dropout: float = 0.5
    mixup: float = 0.4
    copies: int = 1
    augmentation: SpectrogramAugmentation = field(default_factory=SpectrogramAugmentation)
    seed: int = 0


def train_tower(
    tower: Any,
    layout: TowerLayout,
    mels: MelSpectrograms,
    p_NK: NDArray[np.float64],
    is_validation_N: NDArray[np.bool_],
    settings: TowerTrainingSettings,
) -> list[dict[str, float]]:
    """Train the classifier and write the weights of its best epoch into the tower.

    Args:
        tower: a Qwen2AudioEncoder with the weights of ``write_statistics``.
        layout: its dimensions.
        mels: spectrograms of N recordings.
        p_NK: shares of votes.
        is_validation_N: recordings that only select the epoch.
        settings: hyperparameters.

    Returns:
        Per epoch, ``loss`` on the training recordings and the scores of ``validation_scores``.
    """
    import torch

    train_rows, validation_rows = np.flatnonzero(~is_validation_N), np.flatnonzero(is_validation_N)
    rng = np.random.default_rng([settings.seed, 3])
    copies = [(int(row), copy) for copy in range(1 + settings.copies) for row in train_rows]
    originals = [(int(row), 0) for row in validation_rows]
    train_XS = _statistics(tower, layout, mels, copies, settings.augmentation, rng)
    validation_NS = _statistics(tower, layout, mels, originals, settings.augmentation, rng)
    target_XK = torch.from_numpy(p_NK[[row for row, _ in copies]]).float()
    mean_S, deviation_S = train_XS.mean(0), train_XS.std(0) + 1e-4
    torch.manual_seed(settings.seed)
    hidden_units = tower.layers[1].fc1.out_features
    fc1 = torch.nn.Linear(train_XS.shape[1], hidden_units)
    fc2 = torch.nn.Linear(hidden_units, p_NK.shape[1])
    classifier = torch.nn.Sequential(fc1, torch.nn.GELU(), torch.nn.Dropout(settings.dropout), fc2)
    with torch.no_grad():
        fc2.weight.mul_(0.1)
        fc2.bias.copy_(torch.from_numpy(np.log(p_NK[train_rows].mean(0) + 1e-3)))
    validate = _Validation((validation_NS - mean_S) / deviation_S, p_NK[validation_rows])
    history, best = _fit(classifier, (train_XS - mean_S) / deviation_S, target_XK, validate, settings, rng)
    classifier.load_state_dict(best)
    with torch.no_grad():  # fold the standardisation into the first layer
        weight_HS = fc1.weight / deviation_S
        bias_H = fc1.bias - weight_HS @ mean_S
        write_classifier(tower, layout, (weight_HS, bias_H), (fc2.weight, fc2.bias))
    return history


class _Validation:
    def __init__(self, x_NS: torch.Tensor, p_NK: NDArray[np.float64]) -> None:
        self.x_NS, self.p_NK = x_NS, p_NK

    def __call__(self, classifier: Any) -> dict[str, float]:
        import torch

        classifier.eval()
        with torch.inference_mode():
            q_NK = torch.softmax(classifier(self.x_NS).double(), dim=1).numpy()
        return validation_scores(self.p_NK, q_NK)


def _fit(
    classifier: Any,
    x_XS: torch.Tensor,
    target_XK: torch.Tensor,
    validate: _Validation,
    settings: TowerTrainingSettings,
    rng: np.random.Generator,
) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """The history, and the weights of the epoch with the lowest validation loss."""
    import torch

    optimiser = torch.optim.AdamW(
        classifier.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    history: list[dict[str, float]] = []
    best: dict[str, torch.Tensor] = {}
    steps = -(-len(x_XS) // settings.batch)
    with bar() as progress:
        task = progress.add_task("Training the tower", total=settings.epochs, note="")
        for epoch in range(settings.epochs):
            classifier.train()
            losses = []
            for step, rows in enumerate(np.array_split(rng.permutation(len(x_XS)), steps)):
                progress_share = (epoch + step / steps) / settings.epochs
                for group in optimiser.param_groups:
                    group["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress_share))
                x, target = x_XS[rows], target_XK[rows]
                x = x + settings.noise * torch.randn(x.shape)
                x, target = _mixup(x, target, settings.mixup, rng)
                loss = -(target * torch.log_softmax(classifier(x), dim=1)).sum(1).mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                losses.append(loss.item())
            history.append({"loss": float(np.mean(losses))} | validate(classifier))
            if is_best(history):
                best = {name: value.clone() for name, value in classifier.state_dict().items()}
            note = f"loss {history[-1]['loss']:.3f}  JS {history[-1]['validation_js']:.3f}"
            progress.update(task, advance=1, note=note)
    return history, best


def _mixup(
    x: torch.Tensor, target: torch.Tensor, alpha: float, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Convex combinations of random pairs, inputs and targets alike."""
    import torch

    weight = torch.from_numpy(rng.beta(alpha, alpha, (len(x), 1))).float()
    partner = torch.from_numpy(rng.permutation(len(x)))
    return weight * x + (1 - weight) * x[partner], weight * target + (1 - weight) * target[partner]


def _statistics(
    tower: Any,
    layout: TowerLayout,
    mels: MelSpectrograms,
    copies: list[tuple[int, int]],
    augmentation: SpectrogramAugmentation,
    rng: np.random.Generator,
    batch: int = 32,
) -> torch.Tensor:
    """The statistics of each pair (row, copy); copy 0 is the recording itself, others are augmented."""
    import torch

    statistics_XS = torch.zeros(len(copies), layout.statistics.stop - layout.statistics.start)
    by_length = np.argsort([mels.frames_N[row] for row, _ in copies], kind="stable")
    starts = range(0, len(copies), batch)
    for start in track(starts, "Audio tower", total=len(starts)):
        part = by_length[start : start + batch]
        spectrograms = [
            augment_spectrogram(mels[row], augmentation, rng) if copy else mels[row]
            for row, copy in (copies[index] for index in part)
        ]
        frames_B = torch.tensor([each.shape[1] - MARGIN_FRAMES for each in spectrograms])
        statistics_XS[part] = compute_statistics(tower, layout, pad_batch(spectrograms), frames_B)
    return statistics_XS
