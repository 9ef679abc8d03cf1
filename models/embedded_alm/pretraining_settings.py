"""Settings of pretraining: two sizes, and the number of epochs for small data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ambivox.models.embedded_alm.architecture import Shape
from ambivox.models.embedded_alm.language_model_layout import text_inner_for, text_width_for
from ambivox.models.embedded_alm.language_model_training import LanguageModelTrainingSettings
from ambivox.models.embedded_alm.tower_layout import tower_width_for
from ambivox.models.embedded_alm.tower_training import TowerTrainingSettings
from ambivox.models.errors import UserError

Size = Literal["auto", "small", "base"]
_SMALL_BELOW = 1500  # utterances; with fewer, the small tower is as good, and faster
_LEAST_STEPS = 600  # of the classifier's optimiser: few utterances get more epochs
_TOWER_HEADS = 2  # models/embedded_alm/spectral_statistics.py uses two


@dataclass(frozen=True)
class PretrainingSettings:
    """All that determines the model, apart from the data.

    Attributes:
        bands: bands of the spectral statistics.
        tower_inner: width inside the tower's MLPs, the hidden units of its classifier.
        tower: training of the tower's classifier.
        language_model: training of projector and language model.
        threads: threads of torch; at these sizes more than one gain little.
    """

    bands: int
    tower_inner: int
    tower: TowerTrainingSettings = field(default_factory=TowerTrainingSettings)
    language_model: LanguageModelTrainingSettings = field(default_factory=LanguageModelTrainingSettings)
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


SMALL = PretrainingSettings(
    bands=32,
    tower_inner=128,
    tower=TowerTrainingSettings(noise=0.2, dropout=0.2, mixup=0.2),
    language_model=LanguageModelTrainingSettings(steps=30, validations=3),
)
BASE = PretrainingSettings(
    bands=32,
    tower_inner=256,
    tower=TowerTrainingSettings(),
    language_model=LanguageModelTrainingSettings(steps=60, validations=3),
)


def settings_for(size: Size, utterances: int, epochs: int | None, seed: int) -> PretrainingSettings:
    """The settings of a size, with the given epochs and seed.

    Args:
        size: ``auto`` chooses by the number of utterances.
        utterances: the number of utterances with votes.
        epochs: of the classifier; None for the default of the size, or more if there are few utterances.
        seed: of all random draws.

    Raises:
        UserError: fewer than one epoch.
    """
    if epochs is not None and epochs < 1:
        raise UserError(f"--epochs must be at least 1, found {epochs}")
    if size == "auto":
        size = "small" if utterances < _SMALL_BELOW else "base"
    settings = SMALL if size == "small" else BASE
    examples = max(utterances, 1) * (1 + settings.tower.copies)
    least_epochs = -(-_LEAST_STEPS * settings.tower.batch // examples)
    return replace(
        settings,
        tower=replace(settings.tower, seed=seed, epochs=epochs or max(settings.tower.epochs, least_epochs)),
        language_model=replace(settings.language_model, seed=seed),
    )
