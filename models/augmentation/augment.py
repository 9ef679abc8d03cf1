"""DiME-Aug from tables to a folder of mixed samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.augmentation.dime_aug import DimeAugSettings, Lineage, class_sizes, plan
from ambivox.models.augmentation.feature_cache import cached_acoustic_features
from ambivox.models.augmentation.mixed_samples import SUMMARY, sample_table, write_audio
from ambivox.models.augmentation.transcript_features import transcript_features
from ambivox.models.counted import counted
from ambivox.models.errors import OnError, TooLittleDataError, UserError
from ambivox.models.files import atomic_path, write_json
from ambivox.models.tables import Distributions, Utterances

Features = Literal["paper", "alm"]
# From N utterances to embeddings (N, D), NaN where a recording cannot be decoded, and the reasons by utterance id.
Embed = Callable[[Utterances], tuple[NDArray[np.float64], dict[str, str]]]
Audio = Literal["stored", "on-the-fly"]


def augment(
    utterances: Utterances,
    distributions: Distributions,
    settings: DimeAugSettings,
    folder: Path,
    *,
    features: Features = "paper",
    embed: Embed | None = None,
    audio: Audio = "stored",
    match_loudness: bool = False,
    on_error: OnError = "reject",
    cache: Path | None = None,
) -> dict[str, Any]:
    """Mix samples of the split "train"; no recording of another split is decoded.

    Writes the files of models/augmentation/mixed_samples.py, augmentation.json, and rejects.parquet (columns
    ``utterance_id`` and ``reason``).

    Args:
        utterances: a corpus.
        distributions: distributions of its training utterances.
        settings: settings of DiME-Aug.
        folder: an existing folder to write to.
        features: features for the nearest neighbours: acoustic and transcript features of the paper, or ``embed``.
        embed: embedding of the recordings by an ALM.
        audio: whether to store the mixed audio or to mix it on the fly.
        match_loudness: whether to scale the second parent to the RMS of the first.
        on_error: what to do with a recording that cannot be decoded: reject it, or stop.
        cache: folder for acoustic features.

    Returns:
        The content of augmentation.json.

    Raises:
        UserError: no training utterances, a recording that cannot be decoded (with ``on_error="stop"``), or a
            training utterance without a distribution.
    """
    train = utterances.in_splits("train")
    if not len(train):
        raise TooLittleDataError(
            "found no utterance in the split train, which DiME-Aug mixes; ingest with a training split"
        )
    features_NF, errors = _features(train, features, embed, cache)
    if errors and on_error == "stop":
        utterance_id, reason = next(iter(errors.items()))
        raise UserError(
            f"{counted(len(errors), 'training recording')} cannot be decoded, the first is {utterance_id!r}: {reason}; "
            "run with --on-error reject to leave them out"
        )
    is_decoded_N = ~train.frame["utterance_id"].is_in(list(errors)).to_numpy()
    parents = Utterances(train.frame.filter(pl.Series(is_decoded_N)), train.labels)
    p_NK = distributions.aligned(parents.frame["utterance_id"])
    lineage = plan(features_NF[is_decoded_N], p_NK, settings)
    samples = sample_table(parents, lineage, match_loudness)
    scaled_count = None
    if audio == "stored":
        samples, scaled_count = write_audio(samples, parents, folder)
    samples.write(folder / "utterances.parquet")
    mixed = _mixed_distributions(samples, lineage, p_NK, parents, distributions)
    mixed.write(folder / "distributions.parquet")
    _write_rejects(errors, folder)
    summary = _class_balance(parents, lineage, p_NK, settings) | {
        "ratio": settings.ratio,
        "neighbours": settings.neighbours,
        "mixing_alpha": settings.mixing_alpha,
        "classes": settings.classes,
        "seed": settings.seed,
        "features": features,
        "audio": audio,
        "match_loudness": match_loudness,
        "samples": len(lineage),
        "training_utterances": len(parents),
        "rejects": len(errors),
        "scaled_down": scaled_count,
    }
    write_json(folder / SUMMARY, summary)
    return summary


def _features(
    train: Utterances, features: Features, embed: Embed | None, cache: Path | None
) -> tuple[NDArray[np.float64], dict[str, str]]:
    if features == "paper":
        acoustic_NF, errors = cached_acoustic_features(train, cache)
        transcript_NF = np.stack(
            [transcript_features(transcript) for transcript in train.frame["transcript"]]
        )
        return np.concatenate([acoustic_NF, transcript_NF], axis=1), errors
    if embed is None:
        raise UserError("--features alm needs an ALM to embed the recordings; give its folder as --alm")
    return embed(train)


def _mixed_distributions(
    samples: Utterances,
    lineage: Lineage,
    p_NK: NDArray[np.float64],
    parents: Utterances,
    distributions: Distributions,
) -> Distributions:
    """Mixed distributions; the numbers of votes are mixed with the same weights."""
    parent_rows = parents.frame.select("utterance_id").join(
        distributions.frame, on="utterance_id", how="left", maintain_order="left"
    )
    votes = {}
    for column in ("human_votes", "equivalent_votes"):
        votes_N = parent_rows[column].to_numpy()
        first_S, second_S = votes_N[lineage.first_S], votes_N[lineage.second_S]
        votes[column] = first_S + lineage.weight_S * (second_S - first_S)
    return Distributions.of(
        samples.frame["utterance_id"],
        distributions.frame["source"][0],
        lineage.distributions(p_NK),
        distributions.labels,
        votes["human_votes"],
        votes["equivalent_votes"],
    )


def _write_rejects(errors: dict[str, str], folder: Path) -> None:
    rejects = pl.DataFrame(
        {"utterance_id": list(errors), "reason": list(errors.values())},
        schema={"utterance_id": pl.String, "reason": pl.String},
    )
    with atomic_path(folder / "rejects.parquet") as temporary:
        rejects.write_parquet(temporary)


def _class_balance(
    parents: Utterances, lineage: Lineage, p_NK: NDArray[np.float64], settings: DimeAugSettings
) -> dict[str, Any]:
    """Class sizes before and after, their target, and the classes that did not reach it."""
    before_K = class_sizes(p_NK, settings.classes)
    if settings.classes == "mass":
        after_K = before_K + lineage.distributions(p_NK).sum(axis=0)
    else:
        after_K = before_K + np.bincount(lineage.class_S, minlength=len(before_K))
    target = settings.ratio * float(before_K.max())
    return {
        "target": target,
        "unfilled": [
            label for label, size in zip(parents.labels, after_K, strict=True) if size < target - 1e-6
        ],
        "before": dict(zip(parents.labels, before_K.tolist(), strict=True)),
        "after": dict(zip(parents.labels, after_K.tolist(), strict=True)),
    }
