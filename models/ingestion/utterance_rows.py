"""The rows of utterances in a user's table: one per utterance, with known splits."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import no_rejects, rejected
from ambivox.models.ingestion.rejected_rows import after_rejects
from ambivox.models.ingestion.vote_checks import REJECTED_UTTERANCE
from ambivox.models.tables import SPLITS

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
    return bool(split_columns(values.to_frame("value"), ["value"]))


def split_columns(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """List the columns of which all values are names of splits.

    Args:
        frame: The table.
        columns: The columns to choose from.
    """
    texts = [column for column in columns if frame[column].dtype == pl.String]
    if not texts:
        return []
    are_splits = frame[texts].select(_is_split(pl.all()).all()).row(0)
    return [column for column, is_one in zip(texts, are_splits, strict=True) if is_one]


def _is_split(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars().str.to_lowercase().is_in(list(SPLIT_NAMES))


def split_note(column: str, values: pl.Series) -> list[str]:
    """Say that a column that is called like one of splits is not read, where some of its values are splits.

    Args:
        column: Its name.
        values: The column.

    Example:
        >>> split_note("subset", pl.Series(["train", "dev2"]))[0][:60]
        "column 'subset' is not read as the split, because it holds '"
        >>> split_note("set", pl.Series(["A", "B"]))
        []
    """
    if values.dtype != pl.String:
        return []
    others = _other_than_splits(values)
    if not len(others) or len(others) == values.drop_nulls().n_unique():
        return []
    return [
        f"column {column!r} is not read as the split, because it holds {others[0]!r}; expected {', '.join(SPLITS)}; with --options.split "
        f"{shlex.quote(column)} the rows of other splits are rejects"
    ]


def _other_than_splits(values: pl.Series) -> pl.Series:
    """The distinct values that are no names of splits, sorted."""
    value = pl.col("value")
    others = value.filter(~_is_split(value)).unique().sort()
    return values.to_frame("value").select(others).to_series()


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


def reject_votes_on(
    votes: pl.DataFrame, rejects: pl.DataFrame, kept: pl.Series, path: Path
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reject the votes on utterances that were rejected, for the same reason.

    Args:
        votes: The votes.
        rejects: The rejected utterances.
        kept: The ids of the others.
        path: The table of votes.

    Returns:
        The other votes and the rejects.

    Raises:
        UserError: There are votes, but all are on rejected utterances.
    """
    of_utterances = rejects.drop_nulls("utterance_id").unique(
        "utterance_id", keep="first", maintain_order=True
    )
    reason_of = dict(of_utterances.select("utterance_id", "reason").iter_rows())
    for name in kept.unique():
        reason_of.pop(name, None)
    is_rejected = votes["utterance_id"].is_in(list(reason_of)).fill_null(value=False)
    rows = votes.filter(is_rejected).with_columns(file=pl.lit(str(path)))
    detail = pl.col("utterance_id").replace_strict(reason_of, default=None, return_dtype=pl.String)
    if rows.height and is_rejected.all():
        raise after_rejects(UserError(f"{path}: all votes are on rejected utterances"), rejects)
    return votes.filter(~is_rejected), rejected(rows, REJECTED_UTTERANCE, detail)


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
    detail = pl.format("{}; expected {}", "split", pl.lit(", ".join(SPLITS)))
    rejects = rejected(utterances.filter(is_unknown), "unknown split", detail)
    return utterances.filter(~is_unknown).with_columns(split=split), rejects
