"""The rows of utterances in a user's table: one per utterance, with known splits."""

from __future__ import annotations

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.ingestion.corpus import no_rejects, rejected

_FEW = 0.2  # of the utterances with several rows
# Where in its recording an utterance is.
_PLACES = ("start_seconds", "end_seconds", "channel", "segment_problem")
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


def are_splits(values: pl.Series) -> bool:
    """Whether all values of a column are names of splits.

    Args:
        values: The column.

    Example:
        >>> are_splits(pl.Series(["Train", "dev", None])), are_splits(pl.Series(["anna", "test"]))
        (True, False)
    """
    if values.dtype != pl.String:
        return False
    return bool(values.drop_nulls().str.strip_chars().str.to_lowercase().is_in(list(SPLIT_NAMES)).all())


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

    A column whose values differ between the rows of many utterances describes something else, such as the annotator, and
    is left out. Where they differ for a few, the most frequent value is kept.

    Args:
        utterances: ``utterance_id``, ``audio``, ``file``, ``line`` and optional columns.

    Returns:
        The first row of every pair of id and audio, and a note per column that was left out or differs.
    """
    places = [column for column in _PLACES if column in utterances.columns]
    key = ["utterance_id", "audio", *places]
    optional = [column for column in utterances.columns if column not in (*key, "file", "line")]
    differing, disputed, notes = [], [], []
    if optional:
        counts = utterances.group_by(key, maintain_order=True).agg(
            pl.len().alias("ambivox:rows"), pl.col(optional).drop_nulls().n_unique()
        )
        several = counts.filter(pl.col("ambivox:rows") > 1)
        for column in optional:
            unlike = several.filter(pl.col(column) > 1)
            if unlike.height > _FEW * several.height:
                differing.append(column)
                notes.append(
                    f"column {column!r} is not read: its values differ between the votes on an utterance, so they do not "
                    "describe it"
                )
            elif unlike.height:
                disputed.append(column)
                notes.append(
                    f"column {column!r} differs between the rows of {counted(unlike.height, 'utterance')}, such as "
                    f"{unlike['utterance_id'][0]!r}: the most frequent value is read"
                )
    selected = utterances.drop(differing)
    agreed = [column for column in optional if column not in (*differing, *disputed)]
    values = [
        pl.col(agreed).drop_nulls().first().over(key),
        pl.col(disputed).drop_nulls().mode(maintain_order=True).first().over(key),
    ]
    return selected.with_columns(values).unique(key, keep="first", maintain_order=True), notes


def read_splits(utterances: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read splits by any of their usual names; rows with an unknown split are rejected.

    Args:
        utterances: The utterances and, where known, ``split``.

    Returns:
        The utterances and the rejects.
    """
    if "split" not in utterances.columns:
        return utterances, no_rejects()
    split = (
        pl.col("split").str.to_lowercase().replace_strict(SPLIT_NAMES, default=None, return_dtype=pl.String)
    )
    is_unknown = pl.col("split").is_not_null() & split.is_null()
    rejects = rejected(utterances.filter(is_unknown), "unknown split", pl.col("split"))
    return utterances.filter(~is_unknown).with_columns(split=split), rejects
