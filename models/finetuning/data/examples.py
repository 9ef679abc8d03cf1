"""Examples: what is heard, what is read, and what should be answered, for training and for predicting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from ambivox.models.alm_backbones.audio_states import (
    AudioStates,
    Loader,
    Recording,
    perturbed,
    recorded,
    variant_key,
)
from ambivox.models.alm_backbones.backbone import Backbone
from ambivox.models.augmentation import mixed_samples
from ambivox.models.errors import UserError
from ambivox.models.finetuning.data.batches import Batch, Side, collate
from ambivox.models.finetuning.settings import OnError
from ambivox.models.prompting.personas import PAPER
from ambivox.models.prompting.prompts import Modality, Prompt
from ambivox.models.tables import Distributions, Utterances


@dataclass(frozen=True)
class Examples:
    """N utterances ready for the model: ids, token ids, the key of each one's audio states, targets, weights;
    and the same utterances with their audio perturbed.
    """

    utterance_ids: list[str]
    tokens: list[list[int]]
    keys: list[str]
    target_NK: NDArray[np.float64]
    weight_N: NDArray[np.float64]
    variants: tuple[Examples, ...] = ()

    def __len__(self) -> int:
        """N."""
        return len(self.utterance_ids)

    @property
    def length_N(self) -> NDArray[np.int64]:  # noqa: N802
        """Tokens of each."""
        return np.array([len(tokens) for tokens in self.tokens], dtype=np.int64)

    def heard(self, random: np.random.Generator, chance: float) -> Examples:
        """One epoch's examples: each is, with this chance, one of its perturbed variants."""
        if not self.variants or not chance:
            return self
        of_N = np.where(
            random.random(len(self)) < chance, random.integers(len(self.variants), size=len(self)), -1
        )
        chosen = [self.variants[variant] if variant >= 0 else self for variant in of_N]
        return replace(
            self,
            tokens=[examples.tokens[row] for row, examples in enumerate(chosen)],
            keys=[examples.keys[row] for row, examples in enumerate(chosen)],
            variants=(),
        )

    def batch(
        self, rows: Sequence[int] | NDArray[np.int64], states: AudioStates, pad_id: int, side: Side = "right"
    ) -> Batch:
        """These rows, padded to the longest of them."""
        return collate(
            [self.tokens[row] for row in rows],
            [states[self.keys[row]] for row in rows],
            torch.from_numpy(self.target_NK[rows]).float(),
            torch.from_numpy(self.weight_N[rows]).float(),
            pad_id,
            side,
        )


def examples_of(
    utterances: Utterances,
    backbone: Backbone,
    states: AudioStates,
    modality: Modality,
    on_error: OnError,
    distributions: Distributions | None = None,
    variants: int = 0,
) -> tuple[Examples, dict[str, str]]:
    """Examples of recorded utterances, and the reasons of those left out by id.

    Without ``distributions`` (predicting) the targets are uniform and mean nothing.

    Raises:
        UserError: an utterance's audio cannot be read and ``on_error`` is "stop"; it names the utterance.
    """
    frame = utterances.frame
    loader = recorded(dict(frame.select("audio_sha256", "audio").iter_rows()))
    return _examples(utterances, backbone, states, modality, on_error, distributions, loader, variants)


def mixed_examples_of(
    folder: Path,
    parents: Utterances,
    backbone: Backbone,
    states: AudioStates,
    modality: Modality,
    variants: int = 0,
) -> Examples:
    """Examples of the samples that ``augment`` made; their parents have to be training utterances.

    Raises:
        UserError: a parent is not in the split train of ``parents``, or labels differ.
    """
    samples, distributions = mixed_samples.read(folder)
    check_parents(samples, parents, folder)
    by_id = dict(samples.frame.select("utterance_id", "audio_sha256").iter_rows())

    def loader(keys: list[str]) -> Iterator[tuple[str, Recording]]:
        wanted = set(keys)
        chosen = samples.frame.filter(pl.col("audio_sha256").is_in(list(wanted))).unique(
            "audio_sha256", maintain_order=True
        )
        missing = Utterances(chosen, samples.labels)
        for utterance_id, recording in mixed_samples.waveforms(missing, parents, folder):
            yield by_id[utterance_id], recording

    return _examples(samples, backbone, states, modality, "stop", distributions, loader, variants)[0]


def check_parents(samples: Utterances, utterances: Utterances, folder: Path) -> None:
    """Refuse samples whose parents are not training utterances of this corpus.

    Raises:
        UserError: naming the first such parent.
    """
    train = utterances.in_splits("train").frame["utterance_id"]
    parents = pl.concat([samples.frame["parent_first"], samples.frame["parent_second"]])
    strange = parents.filter(~parents.is_in(train.implode()))
    if len(strange):
        raise UserError(
            f"{folder}: {len(strange)} parents of augmented samples are not in the split train, the first is {strange[0]!r}; run augment again"
        )


def join(one: Examples, other: Examples) -> Examples:
    """Both, one after the other."""
    return Examples(
        one.utterance_ids + other.utterance_ids,
        one.tokens + other.tokens,
        one.keys + other.keys,
        np.concatenate([one.target_NK, other.target_NK]),
        np.concatenate([one.weight_N, other.weight_N]),
        tuple(join(*pair) for pair in zip(one.variants, other.variants, strict=True)),
    )


def _examples(
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
    failed = {
        utterance_id: str(states.errors[key])
        for utterance_id, key in frame.select("utterance_id", "audio_sha256").iter_rows()
        if key in states.errors
    }
    if failed and on_error == "stop":
        utterance_id, reason = next(iter(failed.items()))
        raise UserError(
            f"utterance {utterance_id!r}: {reason} ({len(failed)} such utterances; --on-error leave-out goes on without them)"
        )
    frame = frame.filter(~pl.col("utterance_id").is_in(list(failed)))
    ids = frame["utterance_id"]
    if distributions is None:
        target_NK = np.full((len(ids), len(utterances.labels)), 1 / len(utterances.labels))
        weight_N = np.ones(len(ids))
    else:
        target_NK = distributions.aligned(ids)
        weight_N = _votes(distributions, ids)
    made = []
    for variant in range(variants + 1):
        keys = [variant_key(key, variant) for key in frame["audio_sha256"]]
        if variant:
            states.add(keys, perturbed(loader))
        tokens = _tokens(frame["transcript"], keys, utterances.labels, backbone, states, modality)
        made.append(Examples(ids.to_list(), tokens, keys, target_NK, weight_N))
    return replace(made[0], variants=tuple(made[1:])), failed


def _tokens(
    transcripts: Iterable[str | None],
    keys: list[str],
    labels: tuple[str, ...],
    backbone: Backbone,
    states: AudioStates,
    modality: Modality,
) -> list[list[int]]:
    """The prompt of each utterance; one without a transcript is asked about its audio alone."""
    with_words, without = question(labels, modality), question(labels, "audio")
    special = backbone.architecture.special_tokens
    return [
        backbone.prompt_ids(
            (with_words if transcript else without).messages(transcript, special), len(states[key])
        )
        for transcript, key in zip(transcripts, keys, strict=True)
    ]


def question(labels: tuple[str, ...], modality: Modality) -> Prompt:
    """What a model is fine-tuned on: the paper's first persona, the options in the labels' order."""
    return Prompt(PAPER[0], tuple(range(len(labels))), labels, modality=modality)


def answer_codes(backbone: Backbone, labels: tuple[str, ...], modality: Modality) -> list[int]:
    """The tokens that answer ``question``, in the labels' order."""
    prompt = question(labels, modality)
    return backbone.code_ids(prompt.messages("words"), prompt.codes[: len(labels)])


def _votes(distributions: Distributions, ids: pl.Series) -> NDArray[np.float64]:
    joined = pl.DataFrame({"utterance_id": ids}).join(
        distributions.frame, on="utterance_id", how="left", maintain_order="left"
    )
    votes: NDArray[np.float64] = (joined["human_votes"] + joined["equivalent_votes"]).to_numpy()
    return votes
