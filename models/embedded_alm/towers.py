"""The two kinds of embedded ALM before its language model is written: a trained audio tower, and a linear head on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ambivox.models.audio.clips import Clip
from ambivox.models.embedded_alm.architecture import build_model
from ambivox.models.embedded_alm.frozen_states import compute_frozen_states
from ambivox.models.embedded_alm.mel_spectrograms import MelSpectrograms, log_mel_spectrograms
from ambivox.models.embedded_alm.pretraining_settings import StatisticsSettings
from ambivox.models.embedded_alm.spectral_statistics import frame_head, write_statistics
from ambivox.models.embedded_alm.tower_layout import TowerLayout
from ambivox.models.embedded_alm.tower_training import train_tower
from ambivox.models.embedded_alm.whisper_encoder import load_encoder, read_shape
from ambivox.models.embedded_alm.whisper_tuning import WhisperTuningSettings, tune_upper_layers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen2AudioForConditionalGeneration


@dataclass(frozen=True)
class TrainingData:
    """N recordings with votes.

    Attributes:
        audio: the recordings: clips, paths or addresses.
        labels: K labels.
        p_NK: shares of votes.
        is_validation_N: recordings that are not trained on.
    """

    audio: Sequence[Clip | str]
    labels: tuple[str, ...]
    p_NK: NDArray[np.float64]
    is_validation_N: NDArray[np.bool_]


@dataclass(frozen=True)
class TrainedTower:
    """A model whose tower is trained and whose language model is random.

    Attributes:
        model: the model.
        mels: the recordings' spectrograms.
        head_KD: weights of a linear head on the tower's frames; its logits are averaged over a recording.
        bias_K: its biases.
        history: per epoch, ``loss`` on the training recordings and the scores of ``validation_scores``.
    """

    model: Qwen2AudioForConditionalGeneration
    mels: MelSpectrograms
    head_KD: torch.Tensor
    bias_K: torch.Tensor
    history: list[dict[str, float]]


def train_statistics_tower(
    data: TrainingData,
    tokenizer: PreTrainedTokenizerFast,
    settings: StatisticsSettings,
    cache: Path | None,
) -> TrainedTower:
    """A tower that computes spectral statistics, with a trained classifier.

    Args:
        data: the recordings.
        tokenizer: the model's tokenizer.
        settings: sizes and hyperparameters.
        cache: a folder for spectrograms; None keeps them in memory.

    Raises:
        AudioError: a recording cannot be decoded.
    """
    import torch

    shape = settings.shape(len(data.labels))
    mels = log_mel_spectrograms(data.audio, shape.mel_bands, cache)
    torch.manual_seed(settings.training.seed)
    model = build_model(shape, tokenizer)
    tower, layout = model.model.audio_tower.eval(), TowerLayout(settings.bands, len(data.labels))
    write_statistics(tower, layout)
    history = train_tower(tower, layout, mels, data.p_NK, data.is_validation_N, settings.training)
    return TrainedTower(model, mels, *frame_head(tower, layout), history)


def train_whisper_tower(
    data: TrainingData,
    tokenizer: PreTrainedTokenizerFast,
    whisper: Path,
    settings: WhisperTuningSettings,
    cache: Path | None,
) -> TrainedTower:
    """A published Whisper's encoder, with its upper layers tuned.

    Args:
        data: the recordings.
        tokenizer: the model's tokenizer.
        whisper: the Whisper's folder.
        settings: hyperparameters.
        cache: a folder for spectrograms and states of the frozen layers; None keeps them in memory.

    Raises:
        UserError: the folder holds no usable Whisper.
        AudioError: a recording cannot be decoded.
    """
    import torch

    shape = read_shape(whisper, len(data.labels))
    torch.manual_seed(settings.seed)
    model = build_model(shape, tokenizer)
    tower = model.model.audio_tower.eval()
    load_encoder(tower, whisper)
    mels = log_mel_spectrograms(data.audio, shape.mel_bands, cache)
    states = compute_frozen_states(tower, settings.tuned_layers, mels, cache)
    head, history = tune_upper_layers(tower, states, data.p_NK, data.is_validation_N, settings)
    return TrainedTower(model, mels, *head, history)
