"""Columns that are named after labels: numbers of votes, and shares, which are no votes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from ambivox.models.ingestion.column_content import is_counts
from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.emotion_words import names_an_emotion

_TOTALS = frozenset({"total", "sum", "count", "counts", "all", "raters", "votes", "responses"})


def count_columns(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """List columns that hold the number of votes for a label: known emotions, and what their names have in common.

    Args:
        frame: The table.
        columns: Those that may be meant.

    Returns:
        The columns, totals left out; none where fewer than two are named after emotions.
    """
    numeric = [column for column in columns if is_counts(frame[column])]
    emotions = [column for column in numeric if names_an_emotion(column)]
    if len(emotions) < 2:
        return []
    stem = _stem(emotions)
    labels = [column for column in numeric if column.startswith(stem)] if stem else emotions
    return [column for column in labels if column in emotions or not _is_total(frame, column, labels)]


def _is_total(frame: pl.DataFrame, column: str, columns: Sequence[str]) -> bool:
    """Whether a column of numbers is called a total, or is the sum of the others."""
    if set(words(column)) & _TOTALS:
        return True
    others = [
        pl.col(other).cast(pl.Float64, strict=False).fill_null(0) for other in columns if other != column
    ]
    total = pl.col(column).cast(pl.Float64, strict=False)
    return len(others) > 1 and bool(frame.select((total == pl.sum_horizontal(others)).all()).item())


def share_columns(frame: pl.DataFrame) -> list[str]:
    """List columns that are named after emotions and hold shares, or percent, not numbers of votes.

    Args:
        frame: The table.

    Returns:
        The columns, if there are two or more; else none.
    """
    shares = []
    for column in frame.columns:
        if names_an_emotion(column) and not frame[column].dtype.is_nested():
            numbers = frame[column].cast(pl.String).cast(pl.Float64, strict=False).drop_nulls()
            if len(numbers) and numbers.is_between(0, 100).all() and not (numbers == numbers.round()).all():
                shares.append(column)
    return shares if len(shares) > 1 else []


def _stem(columns: Sequence[str]) -> str:
    """What names start with in common, up to a separator: Answer. of Answer.anger and Answer.fear."""
    prefix = columns[0]
    for column in columns:
        while not column.startswith(prefix):
            prefix = prefix[:-1]
    return re.sub(r"[^\s_.:-]*$", "", prefix)
