"""From a corpus's data to checked tables: the part of ingestion that is the same for every corpus.

Nothing is dropped silently: whatever does not reach the tables has a row in ``rejects`` or, for labels that the
user's schema drops, a count. An utterance that loses all its votes stays, without votes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.audio.clips import clips
from ambivox.models.audio.probing import probe
from ambivox.models.counted import counted
from ambivox.models.errors import OnError, UserError
from ambivox.models.ingestion import imported_votes
from ambivox.models.ingestion.audio_notes import audio_notes, unusable_notes
from ambivox.models.ingestion.audio_paths import outside_root
from ambivox.models.ingestion.corpus import CorpusData, rejected
from ambivox.models.ingestion.holdout import hold_out
from ambivox.models.ingestion.labels import LabelSchema, label_schema
from ambivox.models.ingestion.profile import corpus_profile
from ambivox.models.ingestion.rating_checks import check_ratings
from ambivox.models.ingestion.rejected_rows import after_rejects, first_reject, no_usable_votes
from ambivox.models.ingestion.small_corpora import fitting_shares
from ambivox.models.ingestion.splits import (
    DEFAULT_SHARES,
    Shares,
    UnknownSpeakers,
    assign_splits,
    split_warnings,
)
from ambivox.models.ingestion.vote_checks import check_votes
from ambivox.models.tables import Distributions, Ratings, Utterances, Votes
from ambivox.models.tables.label_names import check_label_names
from ambivox.models.tables.rejects import REJECTS

_SOURCE_COLUMNS: dict[str, Any] = {"file": pl.String, "line": pl.Int64, "split": pl.String}


@dataclass(frozen=True)
class IngestedCorpus:
    """The tables of a corpus.

    Attributes:
        utterances: The utterances with usable audio.
        votes: Their human votes.
        heldout: The votes that are held out; empty unless ``keep_votes`` was given.
        ratings: Arousal, valence and dominance, where the corpus has them.
        truth: The distributions that the votes were drawn from, where the corpus knows them.
        rejects: What could not be used, with the columns of REJECTS.
        profile: The corpus in numbers, as plain JSON values.
    """

    utterances: Utterances
    votes: Votes
    heldout: Votes
    ratings: Ratings | None
    truth: Distributions | None
    rejects: pl.DataFrame
    profile: dict[str, Any]


def ingest(
    data: CorpusData,
    corpus: str,
    *,
    schema_name: str = "full",
    shares: Shares | None = None,
    seed: int = 0,
    keep_votes: int | None = None,
    unknown_speakers: UnknownSpeakers = "train",
    channel: int | None = None,
    root: Path | None = None,
    cache: Path | None = None,
    on_error: OnError = "reject",
    imported: pl.DataFrame | None = None,
) -> IngestedCorpus:
    """Check a corpus, probe its audio, map its labels, split it, hold out votes, and describe it.

    Args:
        data: What the loader read from the corpus's files.
        corpus: The corpus's key.
        schema_name: ``full``, ``four`` or a file (models/ingestion/labels.py).
        shares: Shares of pretrain, train, development and test; None for the corpus's official splits or its own
            default.
        seed: The seed of splits and of held-out votes.
        keep_votes: Annotators to keep per utterance; None for all.
        unknown_speakers: Where utterances without a speaker go (models/ingestion/splits.py).
        channel: The channel to hear of recordings that have several, from 1, where the corpus names none; None for
            the average.
        root: The corpus's folder; audio outside it is rejected. None: audio may be anywhere.
        cache: The cache file for probed audio; None for the user's.
        on_error: ``reject`` lists what cannot be used in ``rejects``; ``stop`` raises an error about the first.
        imported: Imported votes (models/ingestion/imported_votes.py), which are added to the votes that are kept; None
            for none.

    Returns:
        The checked tables.

    Raises:
        UserError: The schema, the shares or the channel do not fit, no utterance is left, every vote is rejected, or, with
            ``stop``, something cannot be used. Where rows were rejected before, it is an IngestError.
    """
    schema = label_schema(schema_name, data.labels)
    check_label_names(schema.labels)
    utterances, duplicates = _distinct_utterances(
        _with_columns(data.utterances, Utterances.optional | _SOURCE_COLUMNS)
    )
    utterances, outside = _inside(utterances, root)
    if channel is not None:
        utterances = _with_channel(utterances, channel)
    probed = pl.concat(
        [utterances.drop("channel"), probe(clips(utterances), cache).drop("audio")], how="horizontal"
    )
    unusable = probed.filter(pl.col("problem").is_not_null())
    usable = probed.filter(pl.col("problem").is_null()).sort("utterance_id")
    bad_audio = rejected(unusable.with_columns(file="audio", line=None), "", pl.col("detail"))
    bad_audio = bad_audio.with_columns(reason="audio is " + unusable["problem"])
    votes, bad_votes = check_votes(
        data.votes,
        data.labels,
        usable["utterance_id"],
        pl.concat([unusable["utterance_id"], outside["utterance_id"]]),
    )
    more_votes, bad_imports = imported_votes.check(
        imported_votes.none() if imported is None else imported,
        schema.labels,
        usable["utterance_id"],
    )
    ratings, bad_ratings = check_ratings(data.ratings, usable["utterance_id"], schema.labels)
    rejects = pl.concat(
        [data.rejects.select(*REJECTS), duplicates, outside, bad_audio, bad_votes, bad_imports, bad_ratings]
    ).sort(*REJECTS, nulls_last=True)
    try:
        if not data.utterances.height:
            raise UserError(f"corpus {corpus}: its files are there, but they list no utterances")
        if not usable.height:
            raise UserError(f"corpus {corpus}: none of {data.utterances.height} utterances has usable audio")
        if on_error == "stop" and rejects.height:
            raise first_reject(rejects)
        if data.votes.height and not votes.height:
            raise no_usable_votes(corpus, bad_votes, rejects)
        mapped, dropped_votes = schema.map_votes(votes)
        kept, heldout = imported_votes.merge(*hold_out(mapped, keep_votes, seed), more_votes)
        default_shares = data.shares or DEFAULT_SHARES
        shares, split_notes = fitting_shares(
            usable,
            pl.concat([mapped["utterance_id"], more_votes["utterance_id"]]),
            shares,
            seed,
            unknown_speakers,
            default_shares,
        )
        split = assign_splits(usable, shares, seed, unknown_speakers, default_shares)
    except UserError as error:
        raise after_rejects(error, rejects) from error
    tables = (
        Utterances.check(
            split.with_columns(corpus=pl.lit(corpus)).select(*Utterances.required, *Utterances.optional),
            schema.labels,
        ),
        Votes.check(kept, schema.labels),
        Votes.check(heldout, schema.labels),
    )
    truth, without_truth = _truth(data.truth, usable, schema)
    profile = corpus_profile(*tables, ratings)
    profile["without"]["audio"] = unusable.height
    profile |= {
        "corpus": corpus,
        "licence": data.licence,
        "audio_may_be_shared": data.audio_may_be_shared,
        "rejects": dict(sorted(Counter(rejects["reason"]).items())),
        "dropped_votes": dropped_votes,
        "notes": [
            *data.notes,
            *split_notes,
            *unusable_notes(unusable),
            *audio_notes(usable),
            *imported_votes.describe(more_votes),
            *split_warnings(split, usable, unknown_speakers),
            *_without_truth(without_truth),
        ],
    }
    return IngestedCorpus(*tables, ratings, truth, rejects, profile)


def _with_columns(frame: pl.DataFrame, columns: dict[str, Any]) -> pl.DataFrame:
    """Add the optional columns that a loader left out, as nulls."""
    return frame.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in columns.items() if name not in frame.columns
    )


def _with_channel(utterances: pl.DataFrame, channel: int) -> pl.DataFrame:
    """Give the utterances a channel for which their table has none."""
    others = utterances.filter(pl.col("channel") != channel)
    if others.height:
        raise UserError(
            f"--channel {channel}: the corpus itself names the channel of {counted(others.height, 'utterance')} otherwise, such as "
            f"{others['channel'][0]} for {others['utterance_id'][0]!r}; leave --channel out to hear what it names"
        )
    return utterances.with_columns(pl.col("channel").fill_null(channel))


def _distinct_utterances(utterances: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the first row of every utterance that has a name and audio; reject the others."""
    is_incomplete = pl.any_horizontal(pl.col("utterance_id", "audio").is_null())
    complete = utterances.filter(~is_incomplete)
    is_first = complete["utterance_id"].is_first_distinct()
    rejects = [
        rejected(utterances.filter(is_incomplete), "utterance without a name or audio"),
        rejected(complete.filter(~is_first), "duplicate utterance", "the first one is kept"),
    ]
    return complete.filter(is_first), pl.concat(rejects)


def _inside(utterances: pl.DataFrame, root: Path | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep utterances whose audio is in the corpus's folder; reject the others."""
    is_outside = pl.Series([False] * utterances.height, dtype=pl.Boolean)
    if root is not None:
        is_outside = pl.Series(outside_root(utterances["audio"], root), dtype=pl.Boolean)
    detail = pl.format("{} is not below {}; if it is meant: --allow-outside-root", "audio", pl.lit(str(root)))
    return utterances.filter(~is_outside), rejected(
        utterances.filter(is_outside), "audio is outside the corpus's folder", detail
    )


def _truth(
    truth: pl.DataFrame | None, usable: pl.DataFrame, schema: LabelSchema
) -> tuple[Distributions | None, int]:
    """Map the true distributions of usable utterances, and count those that the schema leaves without one."""
    if truth is None:
        return None, 0
    of_usable = truth.join(usable.select("utterance_id"), on="utterance_id", how="semi")
    mapped, removed = schema.map_distributions(of_usable)
    mapped = mapped.sort("utterance_id")
    p_NK = mapped.select(schema.labels).to_numpy()
    return Distributions.of(mapped["utterance_id"], "truth", p_NK, schema.labels), removed


def _without_truth(count: int) -> list[str]:
    """The note on utterances that the schema leaves without a true distribution."""
    if not count:
        return []
    utterances = counted(count, "utterance has", "utterances have")
    return [f"{utterances} no true distribution: all of it is on labels that the schema drops"]
