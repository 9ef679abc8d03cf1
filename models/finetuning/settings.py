"""What a fine-tuning run is: the paper's settings for models of billions, and one variant for small ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ambivox.models.errors import UserError
from ambivox.models.prompting.prompts import Modality

Preset = Literal["auto", "paper", "small"]
OnError = Literal["stop", "leave-out"]
LossWeights = Literal["equal", "votes"]
Loss = Literal["js", "cross-entropy"]
Prior = Literal["recorded", "augmented"]
SMALL_PARAMETERS = 100_000_000


@dataclass(frozen=True)
class Settings:
    """The defaults are the paper's (arXiv 2601.14620)."""

    lora_rank: int = 8
    lora_alpha: int = 16
    lora_dropout: float = 0.2
    loss: Loss = "js"
    entropy_weight: float = 0.08
    learning_rate: float = 2.5e-6
    weight_decay: float = 0.03
    warmup_share: float = 0.15
    cycles: int = 1
    clip_norm: float = 3.0
    batch: int = 8
    accumulation: int = 8
    epochs: int = 60
    patience: int = 8
    perturbation: float = 0.3
    perturbed_variants: int = 2
    standardise: bool = False
    from_answer: bool = False
    modality: Modality = "both"
    prior: Prior = "augmented"
    loss_weights: LossWeights = "equal"
    on_error: OnError = "stop"
    gradient_checkpointing: bool = False
    quantise: bool = False
    checkpoint_seconds: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("lora_rank", "batch", "accumulation", "epochs", "patience", "cycles"):
            if getattr(self, name) < 1:
                raise UserError(f"{name.replace('_', '-')} must be 1 or more, found {getattr(self, name)}")
        for name in ("lora_dropout", "warmup_share", "perturbation"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name.replace('_', '-')} must lie in [0, 1), found {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise UserError(f"learning-rate must be positive, found {self.learning_rate}")

    def deciding(self) -> dict[str, Any]:
        """The settings that the trained weights depend on."""
        return {name: value for name, value in asdict(self).items() if name != "checkpoint_seconds"}


PAPER = Settings()
# A model of a few million parameters takes larger steps, and its head corrects what the ALM itself would answer
# (models/finetuning/model/distribution_head.py). Audio is not perturbed: its tower takes a larger share of the time than that is worth.
# The loss is the votes' likelihood: JS to the shares of three votes, mostly one-hot, is least at a prediction that is
# certain (docs/decisions/05-likelihood-for-few-votes.md has the figures).
SMALL = replace(
    PAPER,
    loss="cross-entropy",
    entropy_weight=0.0,
    learning_rate=2e-4,
    batch=16,
    accumulation=1,
    epochs=8,
    patience=4,
    lora_dropout=0.05,
    perturbation=0.0,
    standardise=True,
    from_answer=True,
)


def choose(preset: Preset, parameters: int) -> tuple[str, Settings]:
    """The preset's name and settings; "auto" goes by the ALM's number of parameters."""
    if preset == "auto":
        preset = "small" if parameters < SMALL_PARAMETERS else "paper"
    return preset, SMALL if preset == "small" else PAPER
