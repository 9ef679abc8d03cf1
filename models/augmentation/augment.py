"""From a corpus and its distributions to a folder of new training samples (DiME-Aug end to end)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.augmentation.augmented import samples_table, write_audio
from ambivox.models.augmentation.dime_aug import Lineage, Recipe, class_sizes, plan
from ambivox.models.augmentation.feature_cache import sound_features_of
from ambivox.models.augmentation.word_features import word_features
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path, write_json
from ambivox.models.tables import Distributions, Utterances

Features = Literal["paper", "alm"]
# From N utterances to embeddings (N, D), nan where a recording cannot be read, and the reason by utterance id.
Embed = Callable[[Utterances], tuple[NDArray[np.float64], dict[str, str]]]
Audio = Literal["stored", "on-the-fly"]
OnError = Literal["stop", "leave-out"]


def augment(
    utterances: Utterances,
    distributions: Distributions,
    recipe: Recipe,
    folder: Path,
    *,
    features: Features,
    embed: Embed | None,
    audio: Audio,
    match_loudness: bool,
    on_error: OnError,
    cache: Path | None,
) -> dict[str, Any]:
    """Write samples into ``folder`` (see models/augmentation/augmented.py, and augmentation.json, rejects.parquet).

    Only the split "train" is read: no other utterance is decoded, compared or mixed.

    Returns:
        What augmentation.json holds.

    Raises:
        UserError: no training utterances, a recording that cannot be read (unless left out), or a training
            utterance without a distribution.
    """
    train = utterances.in_splits("train")
    if not len(train):
        raise UserError("no utterance is in the split train; DiME-Aug mixes training utterances only")
    sound_NF, errors = _features(train, features, embed, cache)
    if errors and on_error == "stop":
        utterance_id, reason = next(iter(errors.items()))
        raise UserError(
            f"{len(errors)} training recordings cannot be read, the first is {utterance_id!r}: {reason}; leave them out with --on-error leave-out"
        )
    readable = ~train.frame["utterance_id"].is_in(list(errors)).to_numpy()
    parents = Utterances(train.frame.filter(pl.Series(readable)), train.labels)
    p_NK = distributions.aligned(parents.frame["utterance_id"])
    lineage = plan(sound_NF[readable], p_NK, recipe)
    samples = samples_table(parents, lineage, match_loudness)
    scaled = None
    if audio == "stored":
        samples, scaled = write_audio(samples, parents, folder)
    samples.write(folder / "utterances.parquet")
    _mixed_distributions(samples, lineage, p_NK, parents, distributions).write(
        folder / "distributions.parquet"
    )
    rejects = pl.DataFrame(
        {"utterance_id": list(errors), "reason": list(errors.values())},
        schema={"utterance_id": pl.String, "reason": pl.String},
    )
    with atomic_path(folder / "rejects.parquet") as temporary:
        rejects.write_parquet(temporary)
    summary = _summary(parents, lineage, p_NK, recipe, len(errors), scaled, match_loudness, features, audio)
    write_json(folder / "augmentation.json", summary)
    return summary


def _features(
    train: Utterances, features: Features, embed: Embed | None, cache: Path | None
) -> tuple[NDArray[np.float64], dict[str, str]]:
    if features == "paper":
        sound_NF, errors = sound_features_of(train, cache)
        words_NF = np.stack([word_features(transcript) for transcript in train.frame["transcript"]])
        return np.concatenate([sound_NF, words_NF], axis=1), errors
    if embed is None:
        raise UserError("--features alm needs the ALM whose audio tower embeds the recordings: give --alm")
    return embed(train)


def _mixed_distributions(
    samples: Utterances,
    lineage: Lineage,
    p_NK: NDArray[np.float64],
    parents: Utterances,
    given: Distributions,
) -> Distributions:
    """Distributions of the new samples; a sample has its parents' votes in proportion to its weight."""
    ids = parents.frame.select("utterance_id").join(
        given.frame, on="utterance_id", how="left", maintain_order="left"
    )
    votes = {}
    for column in ("human_votes", "equivalent_votes"):
        votes_N = ids[column].to_numpy()
        votes[column] = votes_N[lineage.first_S] + lineage.weight_S * (
            votes_N[lineage.second_S] - votes_N[lineage.first_S]
        )
    source = given.frame["source"][0]
    return Distributions.of(
        samples.frame["utterance_id"],
        source,
        lineage.distributions(p_NK),
        given.labels,
        votes["human_votes"],
        votes["equivalent_votes"],
    )


def _summary(
    parents: Utterances,
    lineage: Lineage,
    p_NK: NDArray[np.float64],
    recipe: Recipe,
    rejected: int,
    scaled: int | None,
    match_loudness: bool,
    features: Features,
    audio: Audio,
) -> dict[str, Any]:
    before_K = class_sizes(p_NK, recipe.classes)
    after_K = before_K + (
        lineage.distributions(p_NK).sum(axis=0)
        if recipe.classes == "mass"
        else np.bincount(lineage.class_S, minlength=len(before_K))
    )
    target = recipe.ratio * float(before_K.max())
    unfilled = [label for label, size in zip(parents.labels, after_K, strict=True) if size < target - 1e-6]
    return {
        "ratio": recipe.ratio,
        "neighbours": recipe.neighbours,
        "alpha": recipe.alpha,
        "classes": recipe.classes,
        "seed": recipe.seed,
        "features": features,
        "audio": audio,
        "match_loudness": match_loudness,
        "target": target,
        "samples": len(lineage),
        "training_utterances": len(parents),
        "left_out": rejected,
        "scaled_down": scaled,
        "unfilled": unfilled,
        "before": dict(zip(parents.labels, before_K.tolist(), strict=True)),
        "after": dict(zip(parents.labels, after_K.tolist(), strict=True)),
    }
