"""The settings of a fine-tuning run: the paper's for models of billions of parameters, and a preset for small models."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ambivox.models.errors import OnError, UserError
from ambivox.models.prompting.prompts import Modality

Preset = Literal["auto", "paper", "small"]
LossWeights = Literal["equal", "votes"]
Loss = Literal["js", "cross-entropy"]
# "auto" chooses the preset "small" for ALMs with fewer parameters.
SMALL_PARAMETERS = 100_000_000


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of a run. The defaults are the paper's (arXiv 2601.14620).

    Attributes:
        lora_rank: Rank of the LoRA adapters.
        lora_alpha: Scale of the LoRA adapters.
        lora_dropout: Dropout before the adapters, in [0, 1).
        loss: What is minimised: JS divergence, or cross-entropy (the likelihood of the votes).
        entropy_weight: Weight of the prediction's entropy in the loss.
        learning_rate: Peak learning rate.
        weight_decay: Weight decay of AdamW.
        warmup_share: Share of all steps over which the learning rate rises, in [0, 1).
        cycles: Number of cosine cycles after the warm-up.
        clip_norm: Largest norm of a step's gradient.
        batch: Utterances per batch.
        accumulation: Batches per optimiser step.
        epochs: Largest number of epochs.
        early_stopping_patience: Stop after this many epochs without a better loss on the development split.
        perturbation: Probability that a training utterance is shifted in pitch or changed in tempo, in [0, 1).
        perturbed_variants: Perturbed variants per training utterance.
        standardise: Standardise the hidden states before the head, with statistics of the training split.
        from_answer: Let the head correct the ALM's own answer instead of starting from random weights.
        modality: Whether the prompt contains the transcript.
        correct_label_shift: Undo the change of label frequencies by DiME-Aug's samples
            (docs/decisions/08-label-shift-from-dime-aug.md). Without it, predictions follow the label frequencies of all
            training examples, as in the paper.
        loss_weights: Weigh utterances equally, or by their human and equivalent votes.
        on_error: What to do with an utterance whose audio cannot be read.
        gradient_checkpointing: Save memory at the cost of computing time.
        quantise: QLoRA: 4-bit weights of the base ALM.
        checkpoint_seconds: Shortest time between two checkpoints.
        seed: Equal runs with equal seeds give equal models.

    Raises:
        UserError: A value is out of range.
    """

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
    early_stopping_patience: int = 8
    perturbation: float = 0.3
    perturbed_variants: int = 2
    standardise: bool = False
    from_answer: bool = False
    modality: Modality = "both"
    correct_label_shift: bool = False
    loss_weights: LossWeights = "equal"
    on_error: OnError = "reject"
    gradient_checkpointing: bool = False
    quantise: bool = False
    checkpoint_seconds: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("lora_rank", "batch", "accumulation", "epochs", "early_stopping_patience", "cycles"):
            if getattr(self, name) < 1:
                raise UserError(f"{name.replace('_', '-')} is {getattr(self, name)}; expected 1 or more")
        for name in ("lora_dropout", "warmup_share", "perturbation"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(
                    f"{name.replace('_', '-')} is {getattr(self, name)}; expected at least 0 and less than 1"
                )
        if not self.learning_rate > 0:
            raise UserError(f"learning-rate is {self.learning_rate}; expected more than 0")

    def weight_determining(self) -> dict[str, Any]:
        """The settings that the trained weights depend on, beside the examples."""
        ignored = ("checkpoint_seconds", "on_error")
        return {name: value for name, value in asdict(self).items() if name not in ignored}


PAPER = FinetuneSettings()
# A model of a few million parameters trains with a larger learning rate, and its head corrects the ALM's own answer
# (models/finetuning/model/distribution_head.py). Audio is not perturbed: computing the tower's states for the
# variants costs more than the variants gain. The loss is the votes' likelihood: JS to the shares of three votes, which
# are mostly one-hot, has its minimum at an overconfident prediction
# (docs/decisions/05-likelihood-for-few-votes.md has the figures).
SMALL = replace(
    PAPER,
    loss="cross-entropy",
    entropy_weight=0.0,
    learning_rate=2e-4,
    batch=16,
    accumulation=1,
    epochs=8,
    early_stopping_patience=4,
    lora_dropout=0.05,
    perturbation=0.0,
    standardise=True,
    from_answer=True,
)


def choose_preset(preset: Preset, parameters: int) -> tuple[str, FinetuneSettings]:
    """Find a preset's name and settings.

    Args:
        preset: The preset; "auto" chooses by ``parameters``.
        parameters: The number of parameters of the ALM.
    """
    if preset == "auto":
        preset = "small" if parameters < SMALL_PARAMETERS else "paper"
    return preset, SMALL if preset == "small" else PAPER
