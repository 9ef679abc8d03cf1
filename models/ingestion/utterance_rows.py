"""The rows of utterances in a user's table: one per utterance, with known splits."""

from __future__ import annotations

from pathlib import Path

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


def reject_ambiguous(utterances: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reject utterances whose id stands for several recordings or places: whose votes are meant cannot be known.

    Args:
        utterances: ``utterance_id``, ``audio``, ``file``, ``line`` and places, as ``one_row_per_utterance`` has them.

    Returns:
        The utterances and the rejects.
    """
    places = [column for column in _PLACES if column in utterances.columns]
    several = pl.struct("audio", *places).n_unique().over("utterance_id") > 1
    is_ambiguous = utterances.select(several & pl.col("utterance_id").is_not_null()).to_series()
    detail = pl.format("{}; an id must be of one recording", "audio")
    rejects = rejected(utterances.filter(is_ambiguous), "id of several recordings", detail)
    return utterances.filter(~is_ambiguous), rejects


def reject_ambiguous_votes(
    votes: pl.DataFrame, ambiguous: pl.Series, path: Path
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reject the votes on ids that ``reject_ambiguous`` took out.

    Args:
        votes: The votes.
        ambiguous: The ids.
        path: The table of votes.

    Returns:
        The other votes and the rejects.
    """
    is_ambiguous = votes["utterance_id"].is_in(ambiguous.unique().implode()).fill_null(value=False)
    rows = votes.filter(is_ambiguous).with_columns(file=pl.lit(str(path)))
    return votes.filter(~is_ambiguous), rejected(rows, "vote on an id of several recordings")


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
