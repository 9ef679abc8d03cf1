"""Settings of pretraining: of the statistics tower in two sizes, and of a Whisper; epochs for small data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ambivox.models.embedded_alm.architecture import Shape
from ambivox.models.embedded_alm.language_model_layout import text_inner_for, text_width_for
from ambivox.models.embedded_alm.tower_layout import tower_width_for
from ambivox.models.embedded_alm.tower_training import TowerTrainingSettings
from ambivox.models.embedded_alm.whisper_tuning import WhisperTuningSettings

Size = Literal["auto", "small", "base"]
_SMALL_BELOW = 1500  # utterances; with fewer, the small tower is as good, and faster
_LEAST_STEPS = 600  # of the classifier's optimiser: few utterances get more epochs
_LEAST_WHISPER_STEPS = 200  # the same, of a Whisper's
_TOWER_HEADS = 2  # models/embedded_alm/spectral_statistics.py uses two


@dataclass(frozen=True)
class StatisticsSettings:
    """All that determines a model with the statistics tower, apart from the data.

    Attributes:
        bands: bands of the spectral statistics.
        tower_inner: width inside the tower's MLPs, the hidden units of its classifier.
        training: training of the tower's classifier.
        threads: threads of torch; at these sizes more than one gain little.
    """

    bands: int
    tower_inner: int
    training: TowerTrainingSettings = field(default_factory=TowerTrainingSettings)
    threads: int = 1

    def shape(self, label_count: int) -> Shape:
        """The least sizes that hold the initial weights for ``label_count`` labels."""
        return Shape(
            tower_width=tower_width_for(self.bands, label_count, _TOWER_HEADS),
            tower_layers=2,
            tower_heads=_TOWER_HEADS,
            tower_inner=self.tower_inner,
            text_width=text_width_for(label_count),
            text_inner=text_inner_for(label_count),
        )


SMALL = StatisticsSettings(
    bands=32,
    tower_inner=128,
    training=TowerTrainingSettings(noise=0.2, dropout=0.2, mixup=0.2),
)
BASE = StatisticsSettings(
    bands=32,
    tower_inner=256,
)


def statistics_settings(size: Size, utterances: int, epochs: int | None, seed: int) -> StatisticsSettings:
    """The settings of a size of the statistics tower.

    Args:
        size: ``auto`` chooses by the number of utterances.
        utterances: the number of utterances with votes.
        epochs: of the classifier; None for the default of the size, or more if there are few utterances.
        seed: of all random draws.
    """
    if size == "auto":
        size = "small" if utterances < _SMALL_BELOW else "base"
    settings = SMALL if size == "small" else BASE
    examples = max(utterances, 1) * (1 + settings.training.copies)
    least_epochs = -(-_LEAST_STEPS * settings.training.batch // examples)
    default = max(settings.training.epochs, least_epochs)
    return replace(settings, training=replace(settings.training, seed=seed, epochs=epochs or default))


def whisper_settings(layers: int, utterances: int, epochs: int | None, seed: int) -> WhisperTuningSettings:
    """The settings of a Whisper.

    Args:
        layers: its number of layers; the lowest stays as published, where there are several.
        utterances: the number of utterances with votes.
        epochs: passes over the utterances; None for the default, or more if there are few utterances.
        seed: of all random draws.
    """
    settings = WhisperTuningSettings()
    least_epochs = -(-_LEAST_WHISPER_STEPS * settings.batch // max(utterances, 1))
    return replace(
        settings,
        seed=seed,
        epochs=epochs or max(settings.epochs, least_epochs),
        tuned_layers=max(1, min(settings.tuned_layers, layers - 1)),
    )
