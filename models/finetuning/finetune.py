"""From tables and an ALM to a folder with a fine-tuned model: everything ``tasks/finetune.py`` does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.alm_backbones.backbone import Backbone, best_device, load
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_folder, atomic_path, write_json
from ambivox.models.finetuning.data.examples import (
    Examples,
    answer_codes,
    examples_of,
    join,
    mixed_examples_of,
)
from ambivox.models.finetuning.distributed.processes import Processes
from ambivox.models.finetuning.model.card import Card
from ambivox.models.finetuning.model.distribution_model import adapted_modules, add_adapters
from ambivox.models.finetuning.model.label_shift import corrected, log_ratio
from ambivox.models.finetuning.model.model_folder import save_model
from ambivox.models.finetuning.settings import Preset, Settings, choose
from ambivox.models.finetuning.training.checkpoint import Checkpoints
from ambivox.models.finetuning.training.checks import check_before_training
from ambivox.models.finetuning.training.inference import standardise_head
from ambivox.models.finetuning.training.loop import Result, train
from ambivox.models.prompting.prompts import prompt_version
from ambivox.models.tables import Distributions, Utterances


@dataclass(frozen=True)
class Report:
    """What the step tells its user; ``first`` is whether it is this process that tells it.

    ``held`` counts the parameters that this one of the ``processes`` keeps, adapters and head among them.
    """

    preset: str
    parameters: int
    trained_parameters: int
    training: int
    mixed: int
    development: int
    left_out: dict[str, str]
    result: Result
    processes: int
    held: int
    first: bool


def finetune(
    utterances: Utterances,
    distributions: Distributions,
    augmented: Path | None,
    alm: str,
    out: Path,
    *,
    preset: Preset,
    options: Mapping[str, Any],
    cache: Path | None,
    runs: Path,
    tensorboard: Path | None,
    draw: Callable[[Result, Path], object] = lambda _result, _folder: None,
) -> Report:
    """Train on the splits train and development and write the model folder ``out``.

    Args:
        utterances: of all splits; test is not read.
        distributions: targets, from any source.
        augmented: the folder that ``augment`` made, or None.
        alm: a local folder, or a key of models/alms/.
        out: the model folder.
        preset: which defaults.
        options: settings that differ from the preset's.
        cache: where the audio tower's states are kept.
        runs: where checkpoints are kept until the run is complete.
        tensorboard: where to write TensorBoard's events, if at all.
        draw: adds pictures of the training run to the model folder.

    Raises:
        UserError: no training utterances, a target or a recording is missing, or the ALM cannot be trained.
    """
    processes = Processes()
    device, dtype = best_device()
    backbone = load(
        alm, device, dtype, quantise=bool(options.get("quantise", False)), to_be_sharded=processes.sharded
    )
    parameters = backbone.parameters()
    name, settings = choose(preset, parameters)
    settings = replace(settings, **options)
    states = AudioStates(backbone, cache)
    with processes.in_turn():
        training, mixed, development, left_out = _examples(
            utterances, distributions, augmented, backbone, states, settings
        )
    model = add_adapters(
        backbone,
        len(utterances.labels),
        settings.lora_rank,
        settings.lora_alpha,
        settings.lora_dropout,
        settings.seed,
        settings.gradient_checkpointing,
        answer_codes(backbone, utterances.labels, settings.modality) if settings.from_answer else None,
    )
    trained = sum(value.numel() for value in model.trainable().values())
    held = processes.shard(model)
    if settings.standardise:
        standardise_head(model, training, states, 2 * settings.batch)
    findings = check_before_training(model, training, states)
    if settings.loss_weights == "equal":
        training = replace(training, weight_N=training.weight_N * 0 + 1)
    key = _key(settings, backbone, training, development)
    checkpoints = Checkpoints(runs / key / "checkpoint.safetensors", settings.checkpoint_seconds)
    result = train(model, training, development, states, settings, checkpoints, processes, tensorboard)
    source = str(distributions.frame["source"][0])
    card = Card(
        utterances.labels,
        settings.modality,
        alm,
        backbone.resolved.name,
        backbone.resolved.revision,
        prompt_version(),
        source,
        augmented is not None,
        settings.deciding() | {"preset": name},
    )
    weights = model.weights()
    if settings.prior == "recorded":
        weights = corrected(weights, log_ratio(training, mixed))
    if processes.first:
        with atomic_folder(out) as folder:
            save_model(model, weights, card, folder)
            _write_run(folder, result, findings.as_dict(), adapted_modules(backbone.model), left_out)
            draw(result, folder)
        checkpoints.remove()
    processes.wait()
    return Report(
        name,
        parameters,
        trained,
        len(training) - mixed,
        mixed,
        len(development or ()),
        left_out,
        result,
        processes.count,
        held,
        processes.first,
    )


def _examples(
    utterances: Utterances,
    distributions: Distributions,
    augmented: Path | None,
    backbone: Backbone,
    states: AudioStates,
    settings: Settings,
) -> tuple[Examples, int, Examples | None, dict[str, str]]:
    """Training examples (recorded, then mixed), how many are mixed, development examples, and who is left out."""
    train_table = utterances.in_splits("train")
    if not len(train_table):
        raise UserError("no utterance is in the split train")
    variants = settings.perturbed_variants if settings.perturbation else 0
    training, left_out = examples_of(
        train_table, backbone, states, settings.modality, settings.on_error, distributions, variants
    )
    if not len(training):
        raise UserError(f"none of the {len(train_table)} training utterances can be read")
    mixed = 0
    if augmented is not None:
        extra = mixed_examples_of(augmented, utterances, backbone, states, settings.modality, variants)
        training, mixed = join(training, extra), len(extra)
    development, left_out_too = examples_of(
        utterances.in_splits("development"),
        backbone,
        states,
        settings.modality,
        settings.on_error,
        distributions,
    )
    return training, mixed, development if len(development) else None, left_out | left_out_too


def _key(settings: Settings, backbone: Backbone, training: Examples, development: Examples | None) -> str:
    """The run's hash: equal runs, and no others, go on from each other's checkpoints."""
    digest = hashlib.sha256()
    digest.update(
        json.dumps(
            [settings.deciding(), backbone.resolved.revision, str(backbone.dtype)], sort_keys=True
        ).encode()
    )
    for examples in (training, development):
        if examples is not None:
            digest.update(json.dumps([examples.utterance_ids, examples.keys, examples.tokens]).encode())
            digest.update(examples.target_NK.tobytes() + examples.weight_N.tobytes())
    return digest.hexdigest()[:16]


def _write_run(
    folder: Path, result: Result, findings: dict[str, Any], adapted: list[str], left_out: dict[str, str]
) -> None:
    """Curves, checks and rejects. No times: equal runs give equal bytes."""
    with atomic_path(folder / "curves.csv") as temporary:
        pl.DataFrame(result.curves).with_columns(pl.col("epoch").cast(pl.Int64)).write_csv(temporary)
    write_json(folder / "curves.json", {"curves": result.curves, "best_epoch": result.best_epoch})
    write_json(
        folder / "training.json",
        {
            "checks": findings,
            "adapted": adapted,
            "best_epoch": result.best_epoch,
            "epochs": len(result.curves),
            "stopped_early": result.stopped_early,
        },
    )
    rejects = pl.DataFrame(
        {"utterance_id": list(left_out), "reason": list(left_out.values())},
        schema={"utterance_id": pl.String, "reason": pl.String},
    )
    with atomic_path(folder / "rejects.parquet") as temporary:
        rejects.write_parquet(temporary)
