"""Any corpus in tables: one of utterances and one of votes, in CSV, TSV, JSONL or Parquet.

From: the user. Licence: the owner's.

Votes have one of three shapes: ``rows``, one row per vote, usually in a table of their own; ``counts``, one column per
label with the number of votes; ``list``, one column with all labels that were given, as a list or as text with a
separator. Counts and lists do not tell annotators apart, so each vote gets its own annotator id. Audio paths are
relative to the table of utterances, absolute, or s3:// URLs.
Known defects: spreadsheets may change numbers and encodings; text that is neither UTF-8 nor marked as UTF-16 is read as
Windows-1252.

A row of utterances.csv:

    utterance_id,audio,transcript,speaker,split
    call_017,audio/call_017.wav,"I'd rather not.",anna,train

A row of votes.csv:

    utterance_id,annotator_id,label
    call_017,rater3,anger
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.audio_paths import resolve_audio
from ambivox.models.ingestion.cleaning import clean_utterances, clean_votes
from ambivox.models.ingestion.columns import suggest_column
from ambivox.models.ingestion.corpus import CorpusData, no_rejects, rejected
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.reading import WORKBOOKS, read_table
from ambivox.models.ingestion.segment_columns import SegmentColumns
from ambivox.models.ingestion.segments import distinct_ids, reject_unreadable, table_segments
from ambivox.models.ingestion.vote_tables import (
    text_column,
    votes_from_counts,
    votes_from_labels,
    with_annotators,
)

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".txt")
_SPLITS = {
    "pretrain": "pretrain",
    "train": "train",
    "training": "train",
    "development": "development",
    "dev": "development",
    "validation": "development",
    "valid": "development",
    "val": "development",
    "test": "test",
    "testing": "test",
}


def load(
    root: Path,
    *,
    utterances: str | None = None,
    votes: str | None = None,
    shape: Literal["rows", "counts", "list"] = "rows",
    labels: tuple[str, ...] = (),
    utterance: str = "utterance_id",
    audio: str = "audio",
    transcript: str = "transcript",
    speaker: str = "speaker",
    split: str = "split",
    language: str = "language",
    sex: str = "sex",
    age: str = "age",
    annotator: str = "annotator_id",
    label: str = "label",
    weight: str = "weight",
    separator: str = ";",
    start: str | None = None,
    end: str | None = None,
    duration: str | None = None,
    channel: str = "channel",
) -> CorpusData:
    """Read a table of utterances and its votes.

    Args:
        root: The folder that holds the tables, or the table of utterances itself.
        utterances: The table of utterances, relative to the folder; by default utterances.csv, or with another
            suffix. Delimited text may have any usual separator and encoding.
        votes: The table of votes, relative to the folder; by default votes.csv, or with another suffix, or, where
            there is none, the table of utterances.
        shape: The shape of the votes: rows, counts or list.
        labels: The labels, in order; for counts the columns. By default the labels that occur, in alphabetical
            order; where given, votes with other labels are rejected.
        utterance: The column with utterance ids, in both tables.
        audio: The column with audio paths.
        transcript: The column with transcripts; this and the following columns of utterances are optional.
        speaker: The column with speakers.
        split: The column with splits (pretrain, train, development, test); splits are drawn where it is empty.
        language: The column with languages.
        sex: The column with the speaker's sex.
        age: The column with the speaker's age in years.
        annotator: The column with annotators; where it is missing, each vote gets its own annotator id.
        label: The column with labels (shapes rows and list).
        weight: The column with weights (shape rows); by default an annotator's labels share one vote equally.
        separator: The text between labels in a list that is written as text.
        start: The column that says where in its recording an utterance begins, in seconds (in milliseconds where the
            name ends in ms), or as 1:02.5; by default a column of a usual name, if rows share a recording.
        end: The column that says where it ends.
        duration: The column with its duration, where there is no end.
        channel: The column with the channel to hear: 1 or left, 2 or right; by default all are averaged.

    Returns:
        The utterances and their human votes.

    Raises:
        UserError: A table or a column is missing or damaged.
    """
    folder = root if root.is_dir() else root.parent
    path = _table_path(folder, "utterances", utterances) if root.is_dir() else root
    if path is None:
        raise UserError(
            f"{root}: expected utterances{' or utterances'.join(SUFFIXES)}, or --options.utterances FILE"
        )
    votes_path = _table_path(folder, "votes", votes) or path
    vote_columns = [utterance, *(labels if shape == "counts" else [label])]
    options = {utterance: "utterance", audio: "audio"} | ({} if shape == "counts" else {label: "label"})
    numbers = [age, weight, *(labels if shape == "counts" else [])]
    if votes_path == path:
        table = vote_table = read_table(
            path, [utterance, audio, *vote_columns], numbers=numbers, options=options
        )
    else:
        table, vote_table = _read_both(
            {path: [utterance, audio], votes_path: vote_columns}, numbers=numbers, options=options
        )
    optional = {
        "transcript": transcript,
        "speaker": speaker,
        "split": split,
        "language": language,
        "sex": sex,
        "age": age,
    }
    taken = [utterance, audio, annotator, label, weight, channel, *optional.values(), *labels]
    times = SegmentColumns(start, end, duration)
    segments, segment_notes = table_segments(path, table, audio, times, channel, taken)
    if votes_path == path and segments.columns:
        ids = distinct_ids(table.select(text_column(utterance)).to_series(), segments)
        table = vote_table = table.with_columns(ids.alias(utterance))
    selected = table.select(
        pl.col(LINE).alias("line"),
        text_column(utterance).alias("utterance_id"),
        text_column(audio).alias("audio"),
        pl.lit(str(path)).alias("file"),
        *(text_column(column).alias(name) for name, column in optional.items() if column in table.columns),
    )
    selected = pl.concat([selected, segments], how="horizontal")
    if votes_path == path and shape == "rows":  # one row per vote: an utterance's rows repeat it
        selected = selected.unique(pl.selectors.exclude("line"), keep="first", maintain_order=True)
    selected, notes = clean_utterances(selected)
    selected, bad_segments = reject_unreadable(selected)
    selected, foreign_audio = resolve_audio(selected, path.parent)
    normalised, bad_splits = _read_splits(selected)
    if shape == "counts":
        all_votes = votes_from_counts(votes_path, vote_table, labels, utterance)
    else:
        all_votes = votes_from_labels(vote_table, shape, utterance, annotator, label, weight, separator)
    all_votes, vote_notes = clean_votes(all_votes, labels, normalised["utterance_id"])
    label_set = labels or tuple(sorted(all_votes["label"].drop_nulls().unique()))
    if not label_set:
        raise UserError(
            f"{votes_path}: there are no votes, so the labels are unknown; name them with --options.labels a,b,c"
        )
    is_human = (
        pl.col("annotator_kind") == "human" if "annotator_kind" in all_votes.columns else pl.lit(value=True)
    )
    all_votes = with_annotators(all_votes).with_columns(file=pl.lit(str(votes_path)))
    alm_votes = rejected(all_votes.filter(~is_human), "vote of an ALM", "only human votes are ingested")
    annotator_notes = []
    if shape == "rows" and annotator not in vote_table.columns:
        used = {LINE, utterance, audio, label, weight, *optional.values()}
        annotator_notes = _missing_annotators(annotator, [c for c in vote_table.columns if c not in used])
    return CorpusData(
        label_set,
        normalised,
        all_votes.filter(is_human),
        licence="the owner's",
        rejects=pl.concat([bad_segments, foreign_audio, bad_splits, alm_votes]),
        notes=(*notes, *segment_notes, *vote_notes, *annotator_notes),
    )


def _table_path(folder: Path, stem: str, name: str | None) -> Path | None:
    """Find a table; a workbook in its place is an error that names it."""
    if name is not None:
        return folder / name
    for suffix in (*SUFFIXES, *WORKBOOKS):
        if (path := folder / f"{stem}{suffix}").is_file():
            return path
    return None


def _read_both(required: dict[Path, list[str]], **arguments: Any) -> list[pl.DataFrame]:
    """Read the tables of utterances and votes; the problems of both are named at once."""
    tables, problems = [], []
    for path, columns in required.items():
        try:
            tables.append(read_table(path, columns, **arguments))
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("; and ".join(problems))
    return tables


def _missing_annotators(annotator: str, columns: Sequence[str]) -> list[str]:
    """Make a note where a table of votes seems to have its annotators in another column."""
    column = suggest_column(annotator, columns, "annotator")
    if column is None:
        return []
    return [
        f"there is no column {annotator!r}, so every vote counts as another annotator's; if {column!r} holds the "
        f"annotators, add --options.annotator {shlex.quote(column)}"
    ]


def _read_splits(utterances: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read splits; rows with an unknown split are rejected."""
    if "split" not in utterances.columns:
        return utterances, no_rejects()
    split = pl.col("split").str.to_lowercase().replace_strict(_SPLITS, default=None, return_dtype=pl.String)
    is_unknown = pl.col("split").is_not_null() & split.is_null()
    rejects = rejected(utterances.filter(is_unknown), "unknown split", pl.col("split"))
    return utterances.filter(~is_unknown).with_columns(split=split), rejects
