"""Checking the votes of a corpus: which are usable, why the others are not, and how an annotator's labels share a vote."""

from __future__ import annotations

import polars as pl

from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.labels import normalise_weights
from ambivox.models.tables import Votes

#: Why votes for an utterance whose audio was rejected are rejected, too.
NO_AUDIO = "votes for an utterance without audio"
#: Why votes for an utterance that is not listed are rejected.
UNKNOWN_UTTERANCE = "vote for an unknown utterance"
#: Why votes for an utterance that is itself rejected are rejected.
REJECTED_UTTERANCE = "vote for a rejected utterance"
_USABLE = ""


def check_votes(
    votes: pl.DataFrame, labels: tuple[str, ...], usable: pl.Series, unusable: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Separate usable votes from rejects, and give every usable vote a weight.

    Args:
        votes: The votes of the loader: ``utterance_id``, ``annotator_id``, ``label``, and where known ``weight``,
            ``file`` and ``line``.
        labels: The corpus's labels.
        usable: The ids of the utterances with usable audio.
        unusable: The ids of the utterances without; their votes are rejected with one row per utterance.

    Returns:
        The usable votes, with the columns of Votes, and the rejects.
    """
    absent = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in (("file", pl.String), ("line", pl.Int64))
        if name not in votes.columns
    ]
    votes = votes.with_columns(*absent, _reason=_reason(votes, labels, usable, unusable))
    bad = votes.filter(~pl.col("_reason").is_in([_USABLE, NO_AUDIO]))
    detail = pl.format(
        "{} by {}", pl.col("label").fill_null("no label"), pl.col("annotator_id").fill_null("nobody")
    )
    rejects = [rejected(rows, str(reason), detail) for (reason,), rows in bad.group_by("_reason")]
    without_audio = (
        votes.filter(pl.col("_reason") == NO_AUDIO)
        .group_by("utterance_id")
        .agg(pl.len(), pl.col("file").first())
    )
    rejects.append(rejected(without_audio, NO_AUDIO, pl.format("{} votes", "len")))
    good = votes.filter(pl.col("_reason") == _USABLE).drop("_reason")
    is_first = good.select(pl.struct("utterance_id", "annotator_id", "label").is_first_distinct()).to_series()
    rejects.append(
        rejected(good.filter(~is_first), "duplicate vote", pl.format("{} by {}", "label", "annotator_id"))
    )
    return _weighted(good.filter(is_first)), pl.concat(rejects)


def _reason(votes: pl.DataFrame, labels: tuple[str, ...], usable: pl.Series, unusable: pl.Series) -> pl.Expr:
    """Why a vote cannot be used; _USABLE where it can."""
    is_incomplete = pl.any_horizontal(pl.col("utterance_id", "annotator_id", "label").is_null())
    weight = pl.col("weight") if "weight" in votes.columns else pl.lit(1.0)
    return (
        pl.when(is_incomplete)
        .then(pl.lit("incomplete vote"))
        .when(~pl.col("label").is_in(list(labels)))
        .then(pl.lit("unknown label"))
        .when(~((weight > 0) & weight.is_finite()).fill_null(value=False))
        .then(pl.lit("unusable weight"))
        .when(pl.col("utterance_id").is_in(usable.implode()))
        .then(pl.lit(_USABLE))
        .when(pl.col("utterance_id").is_in(unusable.implode()))
        .then(pl.lit(NO_AUDIO))
        .otherwise(pl.lit(UNKNOWN_UTTERANCE))
    )


def _weighted(votes: pl.DataFrame) -> pl.DataFrame:
    """Let an annotator's labels for an utterance share one vote: equally, or in proportion to given weights."""
    human = votes.with_columns(annotator_kind=pl.lit("human"))
    if "weight" in votes.columns:
        return normalise_weights(human.select(*Votes.required))
    equal_weight = 1 / pl.len().over("utterance_id", "annotator_id")
    return human.with_columns(weight=equal_weight).select(*Votes.required)
