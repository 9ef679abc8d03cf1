"""From tables and an ALM to the folder of a fine-tuned model: the work of the step ``finetune``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.alm_backbones.backbone import Backbone, best_device, load
from ambivox.models.errors import TooLittleDataError, UserError
from ambivox.models.files import atomic_folder
from ambivox.models.finetuning.data.example_building import build_examples, build_mixed_examples
from ambivox.models.finetuning.data.examples import Examples, concatenate
from ambivox.models.finetuning.data.prompts import answer_code_ids
from ambivox.models.finetuning.distributed.processes import Processes
from ambivox.models.finetuning.model.card import Card
from ambivox.models.finetuning.model.distribution_model import (
    DistributionModel,
    adapted_modules,
    add_adapters,
)
from ambivox.models.finetuning.model.label_shift import correct_label_shift, log_label_shift
from ambivox.models.finetuning.model.model_folder import save_model
from ambivox.models.finetuning.settings import FinetuneSettings, Preset, choose_preset
from ambivox.models.finetuning.training.batched_forward import standardise_head
from ambivox.models.finetuning.training.checkpoint import Checkpoints
from ambivox.models.finetuning.training.loop import TrainingResult, train
from ambivox.models.finetuning.training.run_files import write_run_files
from ambivox.models.finetuning.training.sanity_checks import check_before_training
from ambivox.models.prompting.prompts import prompt_version
from ambivox.models.tables import Distributions, Utterances


@dataclass(frozen=True)
class FinetuneResult:
    """The result of fine-tuning.

    Attributes:
        preset: The preset that was used.
        parameters: Parameters of the base ALM.
        trained_parameters: Parameters of the adapters and the head.
        training_utterances: Recorded training utterances.
        mixed_samples: DiME-Aug's samples.
        development_utterances: Development utterances.
        rejects: The reason by id, for utterances whose audio cannot be read.
        training_result: Curves, best epoch and speed.
        processes: The number of processes.
        local_parameters: Parameters in this process, with adapters and head.
        is_main: Whether this is the process that writes files and logs.
    """

    preset: str
    parameters: int
    trained_parameters: int
    training_utterances: int
    mixed_samples: int
    development_utterances: int
    rejects: dict[str, str]
    training_result: TrainingResult
    processes: int
    local_parameters: int
    is_main: bool


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
    inputs: Iterable[Path | str | None] = (),
    draw: Callable[[TrainingResult, Path], object] = lambda _result, _folder: None,
) -> FinetuneResult:
    """Train on the splits train and development and write a model folder.

    Args:
        utterances: The utterances of all splits; test is not read.
        distributions: The target distributions, from any source.
        augmented: The output folder of ``augment``, or None.
        alm: A local folder, or a key of models/alms/.
        out: The model folder to write.
        preset: The preset of the settings.
        options: Values for fields of ``FinetuneSettings`` that differ from the preset.
        cache: Folder of cached audio states.
        runs: Folder for checkpoints of incomplete runs.
        tensorboard: Folder for TensorBoard's events, or None.
        inputs: Files and folders that ``out`` must not hold; see ``atomic_folder``.
        draw: Draws figures of the training result into the model folder.

    Returns:
        The result.

    Raises:
        UserError: There are no training utterances, a target is missing, audio cannot be read, or the ALM cannot be
            fine-tuned.
    """
    processes = Processes()
    device, dtype = best_device()
    quantise = bool(options.get("quantise", False))
    backbone = load(alm, device, dtype, quantise=quantise, to_be_sharded=processes.sharded)
    parameters = backbone.parameter_count()
    preset_name, preset_settings = choose_preset(preset, parameters)
    settings = replace(preset_settings, **options)
    states = AudioStates(backbone, cache)
    with processes.main_first():
        examples = _build_all(utterances, distributions, augmented, backbone, states, settings)
    training, mixed = examples.training, examples.mixed
    model = _add_adapters(backbone, utterances.labels, settings)
    trained_parameters = sum(value.numel() for value in model.trainable().values())
    local_parameters = processes.shard(model)
    if settings.standardise:
        standardise_head(model, training, states, 2 * settings.batch)
    checks = check_before_training(model, training, states)
    if settings.loss_weights == "equal":
        training = replace(training, weight_N=np.ones(len(training)))
    key = _run_key(settings, backbone, training, examples.development)
    checkpoints = Checkpoints(runs / key / "checkpoint.safetensors", settings.checkpoint_seconds)
    result = train(
        model, training, examples.development, states, settings, checkpoints, processes, tensorboard
    )
    card = Card(
        utterances.labels,
        settings.modality,
        alm,
        backbone.resolved.name,
        backbone.resolved.revision,
        prompt_version(),
        str(distributions.frame["source"][0]),
        augmented is not None,
        settings.weight_determining() | {"preset": preset_name},
    )
    weights = model.weights()
    if settings.correct_label_shift:
        weights = correct_label_shift(weights, log_label_shift(training, mixed))
    if processes.is_main:
        with atomic_folder(out, inputs) as folder:
            save_model(model, weights, card, folder)
            write_run_files(folder, result, checks, adapted_modules(backbone.model), examples.rejects)
            draw(result, folder)
        checkpoints.remove()
    processes.wait_for_all()
    return FinetuneResult(
        preset_name,
        parameters,
        trained_parameters,
        len(training) - mixed,
        mixed,
        len(examples.development or ()),
        examples.rejects,
        result,
        processes.count,
        local_parameters,
        processes.is_main,
    )


@dataclass(frozen=True)
class _RunExamples:
    """Training examples (recorded, then ``mixed`` mixed ones), development examples, and reasons of rejects by id."""

    training: Examples
    mixed: int
    development: Examples | None
    rejects: dict[str, str]


def _build_all(
    utterances: Utterances,
    distributions: Distributions,
    augmented: Path | None,
    backbone: Backbone,
    states: AudioStates,
    settings: FinetuneSettings,
) -> _RunExamples:
    train_table = utterances.in_splits("train")
    if not len(train_table):
        raise TooLittleDataError(
            "found no utterance in the split train, expected at least one; check the column split"
        )
    variants = settings.perturbed_variants if settings.perturbation else 0
    training, rejects = build_examples(
        train_table, backbone, states, settings.modality, settings.on_error, distributions, variants
    )
    if not len(training):
        raise UserError(
            f"none of the {len(train_table)} training utterances can be read: {next(iter(rejects.values()))}; "
            "check the audio paths in the table of utterances"
        )
    mixed = 0
    if augmented is not None:
        samples = build_mixed_examples(augmented, utterances, backbone, states, settings.modality, variants)
        training, mixed = concatenate(training, samples), len(samples)
    development, development_rejects = build_examples(
        utterances.in_splits("development"),
        backbone,
        states,
        settings.modality,
        settings.on_error,
        distributions,
    )
    return _RunExamples(
        training, mixed, development if len(development) else None, rejects | development_rejects
    )


def _add_adapters(
    backbone: Backbone, labels: tuple[str, ...], settings: FinetuneSettings
) -> DistributionModel:
    return add_adapters(
        backbone,
        len(labels),
        settings.lora_rank,
        settings.lora_alpha,
        settings.lora_dropout,
        settings.seed,
        settings.gradient_checkpointing,
        answer_code_ids(backbone, labels, settings.modality) if settings.from_answer else None,
    )


def _run_key(
    settings: FinetuneSettings, backbone: Backbone, training: Examples, development: Examples | None
) -> str:
    """The hash of a run: a run resumes from the checkpoint of an equal run only."""
    digest = hashlib.sha256()
    determining = [settings.weight_determining(), backbone.resolved.revision, str(backbone.dtype)]
    digest.update(json.dumps(determining, sort_keys=True).encode())
    for examples in (training, development):
        if examples is not None:
            digest.update(json.dumps([examples.utterance_ids, examples.keys, examples.tokens]).encode())
            digest.update(examples.target_NK.tobytes() + examples.weight_N.tobytes())
    return digest.hexdigest()[:16]
