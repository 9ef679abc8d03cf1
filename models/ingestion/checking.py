"""From what a corpus's files say to checked tables: the part of ingest that is the same for every corpus.

Nothing is dropped in silence: whatever does not reach the tables has a row in ``rejects`` or, for labels that
the user's schema drops, a count. An utterance whose votes are all gone stays, with none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.audio.probing import probe
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import REJECTS, Loaded, rejected
from ambivox.models.ingestion.holdout import hold_out
from ambivox.models.ingestion.labels import Schema, schema, share_votes
from ambivox.models.ingestion.profile import profile
from ambivox.models.ingestion.splits import DEFAULT_SHARES, Shares, UnknownSpeakers, assign, straddling
from ambivox.models.tables import Distributions, Utterances, Votes


@dataclass(frozen=True)
class Ingested:
    """The tables of a corpus. ``heldout`` is empty unless votes were held back; ``profile`` is plain JSON."""

    utterances: Utterances
    votes: Votes
    heldout: Votes
    truth: Distributions | None
    rejects: pl.DataFrame
    profile: dict[str, Any]


def ingest(
    loaded: Loaded,
    corpus: str,
    *,
    schema_name: str = "full",
    shares: Shares | None = None,
    seed: int = 0,
    keep_votes: int | None = None,
    unknown_speakers: UnknownSpeakers = "train",
    cache: Path | None = None,
) -> Ingested:
    """Check, probe, map labels, split, hold back and describe.

    Args:
        loaded: What the corpus's files say.
        corpus: Its key.
        schema_name: ``full``, ``four`` or a file (models/ingestion/labels.py).
        shares: Of pretrain, train, development, test; None: the corpus's official splits or its own default.
        seed: Of splits and of votes held back.
        keep_votes: Annotators to keep an utterance; None: all.
        unknown_speakers: Where utterances without a speaker go (models/ingestion/splits.py).
        cache: The probe's cache file; None: the user's.

    Raises:
        UserError: a schema or shares that do not fit, or no utterance is left.
    """
    mapping = schema(schema_name, loaded.labels)
    listed, doubled = _distinct(
        _with_columns(loaded.utterances, Utterances.optional | _TRACE | {"split": pl.String})
    )
    probed = probe(listed["audio"].to_list(), cache)
    heard = pl.concat([listed, probed.drop("audio")], how="horizontal")
    unheard = heard.filter(pl.col("problem").is_not_null())
    kept = heard.filter(pl.col("problem").is_null()).sort("utterance_id")
    silent = rejected(unheard.with_columns(file="audio", line=None), "", pl.col("detail"))
    silent = silent.with_columns(reason="audio is " + unheard["problem"])
    if not loaded.utterances.height:
        raise UserError(f"corpus {corpus}: its files are there, but they list no utterances")
    if not kept.height:
        first = f"; the first: {unheard['detail'][0]}" if unheard.height else ""
        raise UserError(
            f"corpus {corpus}: none of {loaded.utterances.height} utterances has usable audio{first}"
        )
    votes, bad_votes = _check_votes(loaded, kept, unheard)
    mapped, dropped = mapping.votes(votes)
    observed, heldout = hold_out(mapped, keep_votes, seed)
    split = assign(kept, shares, seed, unknown_speakers, loaded.shares or DEFAULT_SHARES)
    utterances = Utterances.check(
        split.with_columns(corpus=pl.lit(corpus)).select(*Utterances.required, *Utterances.optional),
        mapping.labels,
    )
    tables = (utterances, Votes.check(observed, mapping.labels), Votes.check(heldout, mapping.labels))
    rejects = pl.concat([loaded.rejects.select(*REJECTS), doubled, silent, bad_votes]).sort(
        *REJECTS, nulls_last=True
    )
    truth, gone = _truth(loaded, kept, mapping)
    notes = [*loaded.notes, *_warnings(split, gone)]
    described = profile(*tables)
    described["without"]["audio"] = unheard.height
    described |= {
        "corpus": corpus,
        "licence": loaded.licence,
        "rejects": dict(sorted(Counter(rejects["reason"]).items())),
        "dropped_votes": dropped,
        "notes": notes,
    }
    return Ingested(*tables, truth, rejects, described)


_TRACE: dict[str, Any] = {"file": pl.String, "line": pl.Int64}


def _with_columns(frame: pl.DataFrame, columns: dict[str, Any]) -> pl.DataFrame:
    """Add the optional columns that a loader left out, as nulls."""
    return frame.with_columns(
        pl.lit(None, dtype=kind).alias(name) for name, kind in columns.items() if name not in frame.columns
    )


def _distinct(utterances: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first row of every utterance that has a name and audio, and rejects for the others."""
    nameless = pl.any_horizontal(pl.col("utterance_id", "audio").is_null())
    named = utterances.filter(~nameless)
    first = named["utterance_id"].is_first_distinct()
    rejects = [
        rejected(utterances.filter(nameless), "utterance without a name or audio"),
        rejected(named.filter(~first), "duplicate utterance", "the first one is kept"),
    ]
    return named.filter(first), pl.concat(rejects)


def _check_votes(
    loaded: Loaded, kept: pl.DataFrame, unheard: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The votes for utterances that are kept, each annotator's labels sharing one vote; and rejects for the others."""
    votes = _with_columns(loaded.votes, _TRACE)
    incomplete = pl.any_horizontal(pl.col("utterance_id", "annotator_id", "label").is_null())
    strange = ~pl.col("label").is_in(list(loaded.labels))
    weight = pl.col("weight") if "weight" in votes.columns else pl.lit(1.0)
    status = (
        pl.when(incomplete)
        .then(pl.lit("incomplete vote"))
        .when(strange)
        .then(pl.lit("unknown label"))
        .when(~((weight > 0) & weight.is_finite()).fill_null(value=False))
        .then(pl.lit("unusable weight"))
        .when(pl.col("utterance_id").is_in(kept["utterance_id"].implode()))
        .then(pl.lit(""))
        .when(pl.col("utterance_id").is_in(unheard["utterance_id"].implode()))
        .then(pl.lit("unheard"))
        .otherwise(pl.lit("vote for an unknown utterance"))
    )
    votes = votes.with_columns(_status=status)
    bad = votes.filter(~pl.col("_status").is_in(["", "unheard"]))
    detail = pl.format(
        "{} by {}", pl.col("label").fill_null("no label"), pl.col("annotator_id").fill_null("nobody")
    )
    rejects = [rejected(rows, str(reason), detail) for (reason,), rows in bad.group_by("_status")]
    lost = (
        votes.filter(pl.col("_status") == "unheard")
        .group_by("utterance_id")
        .agg(pl.len(), pl.col("file").first())
    )
    rejects.append(rejected(lost, "votes for an utterance without audio", pl.format("{} votes", "len")))
    good = votes.filter(pl.col("_status") == "").drop("_status")
    first = good.select(pl.struct("utterance_id", "annotator_id", "label").is_first_distinct()).to_series()
    rejects.append(
        rejected(good.filter(~first), "duplicate vote", pl.format("{} by {}", "label", "annotator_id"))
    )
    return _weighted(good.filter(first)), pl.concat(rejects)


def _weighted(votes: pl.DataFrame) -> pl.DataFrame:
    """The columns of Votes; an annotator's several labels share one vote, equally unless weights say otherwise."""
    fixed = votes.with_columns(annotator_kind=pl.lit("human"))
    if "weight" in votes.columns:
        return share_votes(fixed.select(*Votes.required))
    shared = 1 / pl.len().over("utterance_id", "annotator_id")
    return fixed.with_columns(weight=shared).select(*Votes.required)


def _truth(loaded: Loaded, kept: pl.DataFrame, mapping: Schema) -> tuple[Distributions | None, int]:
    """The true distributions of the utterances that are kept, in the user's labels, and how many have none there."""
    if loaded.truth is None:
        return None, 0
    mapped, gone = mapping.distributions(
        loaded.truth.join(kept.select("utterance_id"), on="utterance_id", how="semi")
    )
    mapped = mapped.sort("utterance_id")
    p_NK = mapped.select(mapping.labels).to_numpy()
    return Distributions.of(mapped["utterance_id"], "truth", p_NK, mapping.labels), gone


def _warnings(utterances: pl.DataFrame, truth_gone: int) -> list[str]:
    """What a user should know about splits and truth before trusting a result."""
    found = straddling(utterances)
    lines = []
    if found["speakers"]:
        lines.append(f"{found['speakers']} speakers are in more than one split, as the corpus has it")
    if found["unknown_train"] and found["unknown_other"]:
        lines.append(
            f"utterances of unknown speakers are in train ({found['unknown_train']}) and in development or test "
            f"({found['unknown_other']}), as the corpus has it: the same person may be on both sides"
        )
    copies = (
        utterances.group_by("audio_sha256").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height
    )
    if copies:
        lines.append(f"{copies} recordings are in more than one split, byte for byte, under different names")
    if truth_gone:
        lines.append(f"the truth about {truth_gone} utterances is all on labels that the schema drops")
    return lines
