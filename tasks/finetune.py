"""Fine-tune an ALM to answer with emotion distributions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def finetune(
    *,
    utterances: Path,
    distributions: Path,
    alm: str,
    out: Path,
    augmented: Path | None = None,
    dime_aug: Literal["on", "off"] = "on",
    preset: Literal["auto", "paper", "small"] = "auto",
    learning_rate: float | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    batch: int | None = None,
    accumulation: int | None = None,
    lora_rank: int | None = None,
    lora_alpha: int | None = None,
    lora_dropout: float | None = None,
    loss: Literal["js", "cross-entropy"] | None = None,
    entropy_weight: float | None = None,
    perturbation: float | None = None,
    modality: Literal["audio", "both"] | None = None,
    prior: Literal["recorded", "augmented"] | None = None,
    loss_weights: Literal["equal", "votes"] = "equal",
    on_error: Literal["stop", "leave-out"] = "stop",
    gradient_checkpointing: bool = False,
    quantise: bool = False,
    cache: Path = Path(".ambivox/audio-states"),
    runs: Path = Path(".ambivox/finetune"),
    checkpoint_seconds: float = 10.0,
    tensorboard: Path | None = None,
    merged: Path | None = None,
    seed: int = 0,
) -> Path:
    """Train LoRA adapters and a distribution head on the split train, stopping early by the split development.

    A run that was killed goes on from its last checkpoint when the same command is given again. On several
    GPUs: accelerate launch -m ambivox.tasks.finetune, with the same options (DDP); with --use_fsdp --fsdp_version 2 before
    the -m, the weights are shared out among them (FSDP).

    Args:
        utterances: Table of utterances; the split test is not read.
        distributions: Table of target distributions, from any source.
        alm: Folder or key of the ALM.
        out: Folder for the model (LoRA adapter, head, card, curves).
        augmented: Folder that augment made.
        dime_aug: Train with the samples in that folder, or without.
        preset: The paper's settings, those for a small model, or by the ALM's size.
        learning_rate: Peak learning rate.
        epochs: At most this many.
        patience: Stop after so many epochs without a better loss on the development split.
        batch: Utterances in a batch.
        accumulation: Batches in a step.
        lora_rank: Rank of the adapters.
        lora_alpha: Scale of the adapters.
        lora_dropout: Dropout before the adapters.
        loss: What is made small: JS (the paper), or cross-entropy, the votes' likelihood (the small preset).
        entropy_weight: Weight of the prediction's entropy in the loss.
        perturbation: Chance that a training utterance is heard shifted in pitch or stretched.
        modality: Whether the model reads the transcript, too.
        prior: Answer with emotions as common as among all training examples (the paper), or take back what
            DiME-Aug's samples changed of that (docs/decisions/08-the-prior-of-people.md).
        loss_weights: Weigh utterances alike, or by their human and effective synthetic votes.
        on_error: What to do with an utterance whose audio cannot be read.
        gradient_checkpointing: Spend time to save memory.
        quantise: QLoRA: 4-bit base weights (needs bitsandbytes).
        cache: Folder where the audio tower's states are kept by audio hash.
        runs: Folder for checkpoints of unfinished runs.
        checkpoint_seconds: At least so long between two checkpoints.
        tensorboard: Folder for TensorBoard's events.
        merged: Folder for the ALM with the adapter's weights merged in, to be served like any other.
        seed: The same seed gives the same model.
    """
    from ambivox.models.alm_backbones.libraries import prepare_libraries

    prepare_libraries(four_bit=quantise)
    from ambivox.models.finetuning import finetune as finetuning
    from ambivox.models.reporting.figures.finetuning import training_curves_figure
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.tables import Distributions, Utterances

    chosen = {
        "learning_rate": learning_rate,
        "epochs": epochs,
        "patience": patience,
        "batch": batch,
        "accumulation": accumulation,
        "lora_rank": lora_rank,
        "lora_alpha": lora_alpha,
        "lora_dropout": lora_dropout,
        "loss": loss,
        "entropy_weight": entropy_weight,
        "perturbation": perturbation,
        "modality": modality,
        "prior": prior,
    }
    report = finetuning.finetune(
        Utterances.read(utterances),
        Distributions.read(distributions),
        augmented if dime_aug == "on" else None,
        alm,
        out,
        preset=preset,
        options={name: value for name, value in chosen.items() if value is not None}
        | {
            "loss_weights": loss_weights,
            "on_error": on_error,
            "gradient_checkpointing": gradient_checkpointing,
            "quantise": quantise,
            "checkpoint_seconds": checkpoint_seconds,
            "seed": seed,
        },
        cache=cache,
        runs=runs,
        tensorboard=tensorboard,
        draw=lambda result, folder: save(
            training_curves_figure(result.curves, result.best_epoch), folder / "curves.svg"
        ),
    )
    if not report.first:
        return out
    result = report.result
    print(
        f"preset {report.preset} ({report.parameters / 1e6:.1f} M parameters, "
        f"{report.trained_parameters / 1e6:.2f} M trained): {report.training} utterances + {report.mixed} mixed"
    )
    if result.resumed_at:
        print(f"went on from step {result.resumed_at} of an unfinished run")
    if report.processes > 1:
        print(f"{report.processes} processes, {report.held / 1e6:.3f} M parameters held in this one")
    last = result.curves[result.best_epoch - 1]
    js = (
        f", development JS {last['development_js']:.4f}"
        if "development_js" in last
        else ", no development split"
    )
    print(
        f"{len(result.curves)} epochs, kept epoch {result.best_epoch}{js}, {result.samples_per_second:.0f} samples/s"
    )
    if merged:
        from ambivox.models.finetuning.model.model_folder import merge

        merge(out, alm, merged)
        print(f"merged weights: {merged}")
    if report.left_out:
        print(f"{len(report.left_out)} utterances could not be read and were left out (rejects.parquet)")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(finetune)
