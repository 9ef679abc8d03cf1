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

from pathlib import Path
from typing import Literal

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.cleaning import clean_utterances, clean_votes
from ambivox.models.ingestion.corpus import CorpusData, no_rejects, rejected
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.reading import WORKBOOKS, read_table, workbook_error

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

    Returns:
        The utterances and their human votes.

    Raises:
        UserError: A table or a column is missing or damaged.
    """
    folder = root if root.is_dir() else root.parent
    path = _table_path(folder, "utterances", utterances) if root.is_dir() else root
    if path is None:
        raise _no_table(root)
    votes_path = _table_path(folder, "votes", votes) or path
    vote_columns = [utterance, *(labels if shape == "counts" else [label])]
    options = {utterance: "utterance", audio: "audio"} | ({} if shape == "counts" else {label: "label"})
    numbers = [age, weight, *(labels if shape == "counts" else [])]
    required = [utterance, audio, *(vote_columns if votes_path == path else [])]
    table = read_table(path, required, numbers=numbers, options=options)
    vote_table = table
    if votes_path != path:
        vote_table = read_table(votes_path, vote_columns, numbers=numbers, options=options)
    optional = {
        "transcript": transcript,
        "speaker": speaker,
        "split": split,
        "language": language,
        "sex": sex,
        "age": age,
    }
    selected = table.select(
        pl.col(LINE).alias("line"),
        _text(utterance).alias("utterance_id"),
        _text(audio).alias("audio"),
        pl.lit(str(path)).alias("file"),
        *(_text(column).alias(name) for name, column in optional.items() if column in table.columns),
    )
    selected, notes = clean_utterances(selected)
    normalised, bad_splits = _normalise(selected, path.parent)
    if shape == "counts":
        all_votes = _votes_from_counts(votes_path, vote_table, labels, utterance)
    else:
        all_votes = _votes_from_labels(vote_table, shape, utterance, annotator, label, weight, separator)
    all_votes, vote_notes = clean_votes(all_votes, labels, normalised["utterance_id"])
    label_set = labels or tuple(sorted(all_votes["label"].drop_nulls().unique()))
    if not label_set:
        raise UserError(
            f"{votes_path}: there are no votes, so the labels are unknown; name them with --options.labels a,b,c"
        )
    is_human = (
        pl.col("annotator_kind") == "human" if "annotator_kind" in all_votes.columns else pl.lit(value=True)
    )
    all_votes = _with_annotators(all_votes).with_columns(file=pl.lit(str(votes_path)))
    alm_votes = rejected(all_votes.filter(~is_human), "vote of an ALM", "only human votes are ingested")
    return CorpusData(
        label_set,
        normalised,
        all_votes.filter(is_human),
        licence="the owner's",
        rejects=pl.concat([bad_splits, alm_votes]),
        notes=(*notes, *vote_notes),
    )


def _table_path(folder: Path, stem: str, name: str | None) -> Path | None:
    if name is not None:
        return folder / name
    return next((path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()), None)


def _no_table(root: Path) -> UserError:
    """Make the error for a folder without a table of utterances; a workbook is named."""
    for suffix in WORKBOOKS:
        if (workbook := root / f"utterances{suffix}").is_file():
            return workbook_error(workbook)
    return UserError(
        f"{root}: expected utterances{' or utterances'.join(SUFFIXES)}, or --options.utterances FILE"
    )


def _text(column: str) -> pl.Expr:
    """Read a column as text without surrounding blanks; empty text is null."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def _normalise(utterances: pl.DataFrame, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Resolve audio paths and read splits; rows with an unknown split are rejected."""
    is_absolute = pl.col("audio").str.starts_with("/") | pl.col("audio").str.contains(r"^s3://")
    resolved = pl.lit("" if folder == Path() else f"{folder}/") + pl.col("audio").str.replace(r"^\./", "")
    utterances = utterances.with_columns(audio=pl.when(is_absolute).then("audio").otherwise(resolved))
    if "split" not in utterances.columns:
        return utterances, no_rejects()
    split = pl.col("split").str.to_lowercase().replace_strict(_SPLITS, default=None, return_dtype=pl.String)
    is_unknown = pl.col("split").is_not_null() & split.is_null()
    rejects = rejected(utterances.filter(is_unknown), "unknown split", pl.col("split"))
    return utterances.filter(~is_unknown).with_columns(split=split), rejects


def _votes_from_counts(
    path: Path, table: pl.DataFrame, labels: tuple[str, ...], utterance: str
) -> pl.DataFrame:
    """Expand counts to one row per vote."""
    if not labels:
        raise UserError("votes as counts need the names of their columns: --options.labels anger,neutral,...")
    counts = table.select(
        LINE, _text(utterance).alias("utterance_id"), *(_count(path, table, name) for name in labels)
    )
    unpivoted = counts.unpivot(
        on=list(labels), index=["utterance_id", LINE], variable_name="label", value_name="votes"
    )
    repeated = unpivoted.filter(pl.col("votes") > 0).select(pl.all().repeat_by("votes").explode())
    return repeated.drop("votes").rename({LINE: "line"})


def _count(path: Path, table: pl.DataFrame, name: str) -> pl.Expr:
    """Read a column of counts; an empty field is 0."""
    number = pl.col(name).cast(pl.Float64, strict=False)
    invalid = table.filter(
        pl.col(name).is_not_null() & (number.is_null() | (number < 0) | (number != number.round()))
    )
    if invalid.height:
        raise UserError(
            f"{path}:{invalid[LINE][0]}: {name} is {invalid[name][0]!r}; expected a number of votes, 0 or more"
        )
    return number.fill_null(0).cast(pl.Int64).alias(name)


def _votes_from_labels(
    table: pl.DataFrame, shape: str, utterance: str, annotator: str, label: str, weight: str, separator: str
) -> pl.DataFrame:
    """Read one row per vote, or one list of labels per utterance."""
    columns = {"utterance_id": _text(utterance), "label": pl.col(label), "line": pl.col(LINE)}
    if shape == "rows" and annotator in table.columns:
        columns["annotator_id"] = _text(annotator)
    if shape == "rows" and weight in table.columns:
        columns["weight"] = pl.col(weight).cast(pl.Float64, strict=False)
    if shape == "rows" and "annotator_kind" in table.columns:  # a table that Ambivox exported
        columns["annotator_kind"] = pl.col("annotator_kind")
    votes = table.select(**columns)
    if shape == "list":
        lists = (
            pl.col("label")
            if isinstance(table[label].dtype, pl.List)
            else pl.col("label").cast(pl.String).str.split(separator)
        )
        votes = votes.with_columns(lists).filter(pl.col("label").list.len() > 0).explode("label")
    return votes.with_columns(_text("label"))


def _with_annotators(votes: pl.DataFrame) -> pl.DataFrame:
    """Give each vote its own annotator id where the table does not tell annotators apart."""
    if "annotator_id" in votes.columns:
        return votes
    number = pl.int_range(pl.len()).over("utterance_id") + 1
    return votes.with_columns(annotator_id=pl.format("{}/{}", "utterance_id", number))
