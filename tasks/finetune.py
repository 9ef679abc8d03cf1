"""Fine-tune an ALM to answer with emotion distributions."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ambivox.models.counted import counted
from ambivox.models.errors import OnError
from ambivox.models.number_ranges import Count, NotNegative, Positive, Seed, Share

_logger = logging.getLogger(__name__)
FIGURES = "training.json"  # what --json shows


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions:
    """Options of the step ``finetune``. None means: as the preset says.

    Attributes:
        preset: The paper's settings, those for a small model, or by the ALM's size.
        learning_rate: Peak learning rate; by default that of the preset.
        epochs: At most so many passes over the utterances; by default those of the preset.
        early_stopping_patience: Stop after so many epochs without a better loss on the development
            split; by default those of the preset.
        batch: Utterances per batch; by default those of the preset.
        accumulation: Batches per step; by default those of the preset.
        lora_rank: Rank of the adapters; by default that of the preset.
        lora_alpha: Scale of the adapters; by default that of the preset.
        lora_dropout: Dropout before the adapters; by default that of the preset.
        loss: JS (the paper), or cross-entropy, the likelihood of the votes (the small preset); by default that of the preset.
        entropy_weight: Weight of the prediction's entropy in the loss; by default that of the preset.
        perturbation: Probability that the audio of a training utterance is pitch-shifted or stretched; by default that of
            the preset.
        modality: Whether the model is given the transcript beside the audio; by default that of the preset.
        correct_label_shift: Undo the change that DiME-Aug makes to the frequency of the labels
            (docs/decisions/08-label-shift-from-dime-aug.md); the paper does not.
        loss_weights: Weight utterances equally, or by their human and equivalent votes.
        gradient_checkpointing: Spend time to save memory.
        quantise: QLoRA: 4-bit base weights (needs bitsandbytes).
        on_error: What to do with an utterance whose audio cannot be read: reject it, or stop.
        cache: Folder where the audio tower's states are kept by audio hash.
        runs: Folder for checkpoints of unfinished runs.
        checkpoint_seconds: The shortest time between two checkpoints.
        tensorboard: Folder for TensorBoard events; by default none are written.
        merged: Folder for the ALM with the adapter's weights merged in, to be served like any other; by default
            none is written.
        seed: Seed of the training.
    """

    preset: Literal["auto", "paper", "small"] = "auto"
    learning_rate: Positive | None = None
    epochs: Count | None = None
    early_stopping_patience: Count | None = None
    batch: Count | None = None
    accumulation: Count | None = None
    lora_rank: Count | None = None
    lora_alpha: Count | None = None
    lora_dropout: Share | None = None
    loss: Literal["js", "cross-entropy"] | None = None
    entropy_weight: NotNegative | None = None
    perturbation: Share | None = None
    modality: Literal["audio", "both"] | None = None
    correct_label_shift: bool = False
    loss_weights: Literal["equal", "votes"] = "equal"
    gradient_checkpointing: bool = False
    quantise: bool = False
    on_error: OnError = "reject"
    cache: Path = Path(".ambivox/audio-states")
    runs: Path = Path(".ambivox/finetune")
    checkpoint_seconds: NotNegative = 10.0
    tensorboard: Path | None = None
    merged: Path | None = None
    seed: Seed = 0


# What the step does itself; all other options are settings of the training.
_NOT_TRAINING = frozenset({"preset", "cache", "runs", "tensorboard", "merged"})


def finetune(
    *,
    utterances: Path,
    distributions: Path,
    alm: str,
    out: Path,
    augmented: Path | None = None,
    dime_aug: Literal["on", "off"] = "on",
    options: FinetuneOptions,
) -> Path:
    """Train LoRA adapters and a distribution head on the split train, with early stopping on the split development.

    A run that was killed resumes from its last checkpoint when the same command is given again. On several
    GPUs: accelerate launch -m ambivox.tasks.finetune, with the same options (DDP); with --use_fsdp --fsdp_version 2
    before the -m, the weights are sharded (FSDP).

    Args:
        utterances: Table of utterances; the split test is not read.
        distributions: Table of target distributions, from any source.
        alm: Folder or key of the ALM.
        out: Folder for the model (LoRA adapter, head, card, curves).
        augmented: Folder that augment wrote.
        dime_aug: Train with the samples in that folder, or without.
        options: See FinetuneOptions.

    Returns:
        The model folder.

    Raises:
        UserError: No training utterances, a target is missing, the ALM cannot be trained, or, with on_error "stop",
            a recording cannot be read.
    """
    from ambivox.models.alm_backbones.libraries import prepare_libraries
    from ambivox.models.errors import UserError
    from ambivox.models.files import check_output_folder, exists
    from ambivox.models.output_places import check_folders_to_fill
    from ambivox.models.withdrawn import check_not_withdrawn

    if exists(alm):
        check_not_withdrawn(Path(alm))
    inputs = (utterances, distributions, augmented, alm, options.cache, options.runs, options.tensorboard)
    check_output_folder(out, inputs)
    check_folders_to_fill(options.cache, options.runs, options.tensorboard)
    if augmented is not None and dime_aug == "on" and not (augmented / "utterances.parquet").is_file():
        raise UserError(
            f"{augmented}: no samples here (utterances.parquet); expected the folder that augment wrote"
        )
    if options.merged:
        check_output_folder(options.merged, (*inputs, out))
    prepare_libraries(four_bit=options.quantise)
    from ambivox.models.finetuning import finetune as finetuning
    from ambivox.models.reporting.figures.finetuning import training_curves_figure
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.tables import Distributions, Utterances

    report = finetuning.finetune(
        Utterances.read(utterances),
        Distributions.read(distributions),
        augmented if dime_aug == "on" else None,
        alm,
        out,
        preset=options.preset,
        options=_training_settings(options),
        cache=options.cache,
        runs=options.runs,
        inputs=inputs,
        tensorboard=options.tensorboard,
        draw=lambda result, folder: save(
            training_curves_figure(result.curves, result.best_epoch), folder / "curves.svg"
        ),
    )
    if not report.is_main:
        return out
    result = report.training_result
    _logger.info(
        f"preset {report.preset} ({report.parameters / 1e6:.1f} M parameters, "
        f"{report.trained_parameters / 1e6:.2f} M trained): {counted(report.training_utterances, 'utterance')} + {report.mixed_samples} mixed"
    )
    if result.resumed_at:
        _logger.info(f"resumed from step {result.resumed_at} of an unfinished run")
    if report.processes > 1:
        _logger.info(
            f"{report.processes} processes, {report.local_parameters / 1e6:.3f} M parameters in this one"
        )
    last = result.curves[result.best_epoch - 1]
    js = (
        f", development JS {last['development_js']:.4f}"
        if "development_js" in last
        else ", no development split"
    )
    _logger.info(
        f"{counted(len(result.curves), 'epoch')}, kept epoch {result.best_epoch}{js}, {result.samples_per_second:.0f} samples/s"
    )
    if options.merged:
        from ambivox.models.finetuning.model.model_folder import merge

        merge(out, alm, options.merged, inputs)
        _logger.info(f"merged weights: {options.merged}")
    if report.rejects:
        _logger.info(
            f"{counted(len(report.rejects), 'utterance')} rejected, which could not be read (rejects.parquet)"
        )
    return out


def _training_settings(options: FinetuneOptions) -> dict[str, Any]:
    """The settings that differ from the preset's."""
    return {
        name: value
        for name, value in vars(options).items()
        if name not in _NOT_TRAINING and value is not None
    }


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(finetune)
