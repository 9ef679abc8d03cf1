"""A team's own recordings: a table of utterances and one of votes, in CSV, TSV, JSONL or Parquet.

From: whoever made it; licence: theirs. Votes come in one of three shapes: ``rows``, a row a vote, in a table
    of their own; ``counts``, a column a label with the number of votes; ``list``, one column with all labels
    given, as a list or as text with a separator. Counts and lists have no raters: each vote gets an annotator
    of its own.

Audio paths are relative to the table of utterances, absolute, or s3:// URLs. Known defects: whatever a
spreadsheet does to numbers and encodings; text that is not UTF-8 is read as Windows-1252.

A row of utterances.csv, and of votes.csv:

    utterance_id,audio,transcript,speaker,split          call_017,audio/call_017.wav,"I'd rather
    not.",anna,train utterance_id,annotator_id,label                      call_017,rater3,anger
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData, no_rejects, rejected
from ambivox.models.ingestion.reading import read_table

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
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
        utterances: The table of utterances, relative to the folder; by default utterances.csv or another
            suffix.
        votes: The table of votes, relative to the folder; by default votes.csv or another suffix, and where
            there is none, the table of utterances.
        shape: How votes are written: rows, counts or list (above).
        labels: The labels, in order; for counts the columns. By default those found, in alphabetical order;
            where given, votes with other labels are rejected.
        utterance: The column that names an utterance, in both tables.
        audio: The column of audio paths.
        transcript: The column of transcripts. It may be missing, as may those that follow.
        speaker: The column of speakers.
        split: The column of splits (pretrain, train, development, test); rows without one are drawn.
        language: The column of languages.
        sex: The column of the speaker's sex.
        age: The column of the speaker's age in years.
        annotator: The column of raters; where it is missing each vote gets an annotator of its own.
        label: The column of labels (shapes rows and list).
        weight: The column of weights (shape rows); by default a rater's labels share one vote equally.
        separator: Between the labels of a list that is written as text.

    Raises:
        UserError: a table or a column is missing or damaged.
    """
    folder = root if root.is_dir() else root.parent
    path = _find(folder, "utterances", utterances) if root.is_dir() else root
    if path is None:
        raise UserError(
            f"{root}: expected utterances{' or utterances'.join(SUFFIXES)}, or --options.utterances FILE"
        )
    table = read_table(path, [utterance, audio])
    optional = {
        "transcript": transcript,
        "speaker": speaker,
        "split": split,
        "language": language,
        "sex": sex,
        "age": age,
    }
    listed = table.select(
        "line",
        _text(utterance).alias("utterance_id"),
        _text(audio).alias("audio"),
        pl.lit(str(path)).alias("file"),
        *(_text(column).alias(name) for name, column in optional.items() if column in table.columns),
    )
    listed, bad_rows = _tidy(listed, path.parent)
    votes_path = _find(folder, "votes", votes) or path
    cast = _votes(votes_path, shape, labels, utterance, annotator, label, weight, separator)
    found = labels or tuple(sorted(cast["label"].drop_nulls().unique()))
    if not found:
        raise UserError(f"{votes_path}: no votes found, so no labels; name them with --options.labels a,b,c")
    is_human = pl.col("annotator_kind") == "human" if "annotator_kind" in cast.columns else pl.lit(value=True)
    of_alms = rejected(cast.filter(~is_human), "vote of an ALM", "only people's votes are ingested")
    votes_of_people = cast.filter(is_human)
    return CorpusData(
        found, listed, votes_of_people, licence="the owner's", rejects=pl.concat([bad_rows, of_alms])
    )


def _find(folder: Path, stem: str, name: str | None) -> Path | None:
    if name is not None:
        return folder / name
    return next((path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()), None)


def _text(column: str) -> pl.Expr:
    """The column as text without blanks around it; what is empty is missing."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def _tidy(listed: pl.DataFrame, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Resolve audio against the table's folder, and read splits, speakers and ages; rejects for splits that are none."""
    elsewhere = pl.col("audio").str.starts_with("/") | pl.col("audio").str.contains(r"^s3://")
    here = pl.lit("" if folder == Path() else f"{folder}/") + pl.col("audio").str.replace(r"^\./", "")
    tidy = listed.with_columns(audio=pl.when(elsewhere).then("audio").otherwise(here))
    if "speaker" in tidy.columns:
        known = ~pl.col("speaker").str.to_lowercase().is_in(["unknown", "n/a", "na", "none"])
        tidy = tidy.with_columns(speaker=pl.when(known).then("speaker"))
    if "age" in tidy.columns:
        tidy = tidy.with_columns(pl.col("age").cast(pl.Float64, strict=False))
    if "split" not in tidy.columns:
        return tidy, no_rejects()
    word = pl.col("split").str.to_lowercase().replace_strict(_SPLITS, default=None, return_dtype=pl.String)
    strange = pl.col("split").is_not_null() & word.is_null()
    rejects = rejected(tidy.filter(strange), "unknown split", pl.col("split"))
    return tidy.filter(~strange).with_columns(split=word), rejects


def _votes(
    path: Path,
    shape: str,
    labels: tuple[str, ...],
    utterance: str,
    annotator: str,
    label: str,
    weight: str,
    separator: str,
) -> pl.DataFrame:
    if shape == "counts":
        if not labels:
            raise UserError(
                "votes as counts need the columns that hold them: --options.labels anger,neutral,..."
            )
        table = read_table(path, [utterance, *labels])
        counts = table.select(
            "line", _text(utterance).alias("utterance_id"), *(_count(path, table, name) for name in labels)
        )
        long = counts.unpivot(
            on=list(labels), index=["utterance_id", "line"], variable_name="label", value_name="votes"
        )
        each = long.filter(pl.col("votes") > 0).select(pl.all().repeat_by("votes").explode()).drop("votes")
    else:
        table = read_table(path, [utterance, label])
        columns = {"utterance_id": _text(utterance), "label": pl.col(label), "line": pl.col("line")}
        if shape == "rows" and annotator in table.columns:
            columns["annotator_id"] = _text(annotator)
        if shape == "rows" and weight in table.columns:
            columns["weight"] = pl.col(weight).cast(pl.Float64, strict=False)
        if shape == "rows" and "annotator_kind" in table.columns:  # a table that Ambivox exported
            columns["annotator_kind"] = pl.col("annotator_kind")
        each = table.select(**columns)
        if shape == "list":
            lists = (
                pl.col("label")
                if isinstance(table[label].dtype, pl.List)
                else pl.col("label").cast(pl.String).str.split(separator)
            )
            each = each.with_columns(lists).filter(pl.col("label").list.len() > 0).explode("label")
        each = each.with_columns(_text("label"))
    if "annotator_id" not in each.columns:
        number = pl.int_range(pl.len()).over("utterance_id") + 1
        each = each.with_columns(annotator_id=pl.format("{}/{}", "utterance_id", number))
    return each.with_columns(file=pl.lit(str(path)))


def _count(path: Path, table: pl.DataFrame, name: str) -> pl.Expr:
    """A column of counts; nothing counts as none."""
    number = pl.col(name).cast(pl.Float64, strict=False)
    bad = table.filter(
        pl.col(name).is_not_null() & (number.is_null() | (number < 0) | (number != number.round()))
    )
    if bad.height:
        raise UserError(
            f"{path}:{bad['line'][0]}: {name} is {bad[name][0]!r}; expected a number of votes from 0 up"
        )
    return number.fill_null(0).cast(pl.Int64).alias(name)
