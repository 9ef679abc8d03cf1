"""The rows of utterances in a user's table: one per utterance, with resolved audio paths and known splits."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ambivox.models.ingestion.corpus import no_rejects, rejected

#: Names of splits in tables -> our names.
SPLIT_NAMES = {
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


def text_column(column: str) -> pl.Expr:
    """Read a column as text without surrounding blanks; empty text is null.

    Args:
        column: The column's name.

    Returns:
        The expression.
    """
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def one_row_per_utterance(utterances: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Keep one row per utterance of a table that repeats it for every vote.

    A column whose values differ between the rows of an utterance describes something else, such as the annotator, and
    is left out.

    Args:
        utterances: ``utterance_id``, ``audio``, ``file``, ``line`` and optional columns.

    Returns:
        The first row of every pair of id and audio, and a note per column that was left out.
    """
    key = ["utterance_id", "audio"]
    optional = [column for column in utterances.columns if column not in (*key, "file", "line")]
    differing = []
    if optional:
        counts = utterances.group_by(key).agg(pl.col(optional).drop_nulls().n_unique())
        differing = [column for column in optional if (counts[column] > 1).any()]
    notes = [
        f"column {column!r} is not read: its values differ between the votes on an utterance, so they do not describe it"
        for column in differing
    ]
    selected = utterances.drop(differing)
    filled = [column for column in optional if column not in differing]
    return (
        selected.with_columns(pl.col(filled).drop_nulls().first().over(key)).unique(
            key, keep="first", maintain_order=True
        ),
        notes,
    )


def resolve_audio(utterances: pl.DataFrame, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Resolve audio paths and read splits; rows with an unknown split are rejected.

    Args:
        utterances: ``utterance_id``, ``audio`` and, where known, ``split``.
        folder: The folder that relative paths start from.

    Returns:
        The utterances and the rejects.
    """
    is_absolute = pl.col("audio").str.starts_with("/") | pl.col("audio").str.contains(r"^s3://")
    resolved = pl.lit("" if folder == Path() else f"{folder}/") + pl.col("audio").str.replace(r"^\./", "")
    utterances = utterances.with_columns(audio=pl.when(is_absolute).then("audio").otherwise(resolved))
    if "split" not in utterances.columns:
        return utterances, no_rejects()
    split = (
        pl.col("split").str.to_lowercase().replace_strict(SPLIT_NAMES, default=None, return_dtype=pl.String)
    )
    is_unknown = pl.col("split").is_not_null() & split.is_null()
    rejects = rejected(utterances.filter(is_unknown), "unknown split", pl.col("split"))
    return utterances.filter(~is_unknown).with_columns(split=split), rejects
