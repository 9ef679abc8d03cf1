"""Building examples from tables: of recorded utterances, and of DiME-Aug's samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.alm_backbones.audio_states import (
    AudioStates,
    Loader,
    Recording,
    file_loader,
    perturbing_loader,
    variant_key,
)
from ambivox.models.alm_backbones.backbone import Backbone
from ambivox.models.audio.clips import clips
from ambivox.models.augmentation import mixed_samples
from ambivox.models.errors import OnError, UserError
from ambivox.models.finetuning.data.examples import Examples
from ambivox.models.finetuning.data.prompts import build_prompt
from ambivox.models.prompting.prompts import Modality
from ambivox.models.tables import Distributions, Utterances


def build_examples(
    utterances: Utterances,
    backbone: Backbone,
    states: AudioStates,
    modality: Modality,
    on_error: OnError,
    distributions: Distributions | None = None,
    variants: int = 0,
) -> tuple[Examples, dict[str, str]]:
    """Build examples of recorded utterances.

    Args:
        utterances: The utterances.
        backbone: The ALM.
        states: The audio states; missing ones are computed.
        modality: Whether the prompt contains the transcript.
        on_error: What to do with an utterance whose audio cannot be read.
        distributions: The targets. Without them (for prediction) targets are uniform and unused.
        variants: Perturbed variants per utterance.

    Returns:
        The examples, and the reason by id of each rejected utterance.

    Raises:
        UserError: An utterance's audio cannot be read and ``on_error`` is "stop"; names the utterance.
    """
    frame = utterances.frame
    loader = file_loader(dict(zip(frame["audio_sha256"], clips(frame), strict=True)))
    return _build(utterances, backbone, states, modality, on_error, distributions, loader, variants)


def build_mixed_examples(
    folder: Path,
    utterances: Utterances,
    backbone: Backbone,
    states: AudioStates,
    modality: Modality,
    variants: int = 0,
) -> Examples:
    """Build examples of DiME-Aug's samples.

    Args:
        folder: The output folder of the step ``augment``.
        utterances: The recorded utterances that the samples were mixed from.
        backbone: The ALM.
        states: The audio states; missing ones are computed.
        modality: Whether the prompt contains the transcript.
        variants: Perturbed variants per sample.

    Returns:
        The examples.

    Raises:
        UserError: A sample was mixed from an utterance that is not in the split train, or audio cannot be read.
    """
    samples, distributions = mixed_samples.read(folder)
    check_parents(samples, utterances, folder)
    id_of = dict(samples.frame.select("utterance_id", "audio_sha256").iter_rows())

    def load_mixtures(keys: list[str]) -> Iterator[tuple[str, Recording]]:
        requested = samples.frame.filter(pl.col("audio_sha256").is_in(keys)).unique(
            "audio_sha256", maintain_order=True
        )
        table = Utterances(requested, samples.labels)
        for utterance_id, recording in mixed_samples.waveforms(table, utterances, folder):
            yield id_of[utterance_id], recording

    examples, _ = _build(samples, backbone, states, modality, "stop", distributions, load_mixtures, variants)
    return examples


def check_parents(samples: Utterances, utterances: Utterances, folder: Path) -> None:
    """Check that augmented samples were mixed from training utterances only.

    Args:
        samples: The augmented samples.
        utterances: The recorded utterances.
        folder: The samples' folder, for the error message.

    Raises:
        UserError: A sample was mixed from another utterance; names the first.
    """
    train_ids = utterances.in_splits("train").frame["utterance_id"]
    parent_ids = pl.concat([samples.frame["parent_first"], samples.frame["parent_second"]])
    invalid = parent_ids.filter(~parent_ids.is_in(train_ids.implode()))
    if len(invalid):
        raise UserError(
            f"{folder}: {len(invalid)} parents of augmented samples are not in the split train, "
            f"the first is {invalid[0]!r}; run augment again"
        )


def _build(
    utterances: Utterances,
    backbone: Backbone,
    states: AudioStates,
    modality: Modality,
    on_error: OnError,
    distributions: Distributions | None,
    loader: Loader,
    variants: int,
) -> tuple[Examples, dict[str, str]]:
    frame = utterances.frame
    states.add(frame["audio_sha256"], loader)
    rejects = {
        utterance_id: str(states.errors[key])
        for utterance_id, key in frame.select("utterance_id", "audio_sha256").iter_rows()
        if key in states.errors
    }
    if rejects and on_error == "stop":
        utterance_id, reason = next(iter(rejects.items()))
        raise UserError(
            f"utterance {utterance_id!r}: {reason} ({len(rejects)} such utterances); "
            "replace the audio, or skip such utterances with --on-error reject"
        )
    frame = frame.filter(~pl.col("utterance_id").is_in(list(rejects)))
    ids = frame["utterance_id"]
    if distributions is None:
        target_NK = np.full((len(ids), len(utterances.labels)), 1 / len(utterances.labels))
        weight_N = np.ones(len(ids))
    else:
        target_NK = distributions.aligned(ids)
        weight_N = _votes(distributions, ids)
    versions = []  # The unperturbed utterances, then each perturbed variant.
    for variant in range(variants + 1):
        keys = [variant_key(key, variant) for key in frame["audio_sha256"]]
        if variant:
            states.add(keys, perturbing_loader(loader))
        tokens = _tokens(frame["transcript"], keys, utterances.labels, backbone, states, modality)
        versions.append(Examples(ids.to_list(), tokens, keys, target_NK, weight_N))
    return replace(versions[0], variants=tuple(versions[1:])), rejects


def _tokens(
    transcripts: Iterable[str | None],
    keys: list[str],
    labels: tuple[str, ...],
    backbone: Backbone,
    states: AudioStates,
    modality: Modality,
) -> list[list[int]]:
    """The prompt of each utterance; without a transcript, the prompt for audio alone."""
    with_transcript, audio_only = build_prompt(labels, modality), build_prompt(labels, "audio")
    special_tokens = backbone.architecture.special_tokens
    return [
        backbone.prompt_ids(
            (with_transcript if transcript else audio_only).messages(transcript, special_tokens),
            len(states[key]),
        )
        for transcript, key in zip(transcripts, keys, strict=True)
    ]


def _votes(distributions: Distributions, ids: pl.Series) -> NDArray[np.float64]:
    """Human and equivalent votes per utterance."""
    joined = pl.DataFrame({"utterance_id": ids}).join(
        distributions.frame, on="utterance_id", how="left", maintain_order="left"
    )
    votes_N: NDArray[np.float64] = (joined["human_votes"] + joined["equivalent_votes"]).to_numpy()
    return votes_N
