"""Columns that are named after labels: numbers of votes, and shares, which are no votes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import polars as pl

from ambivox.models.ingestion.column_content import is_counts
from ambivox.models.ingestion.columns import named_columns, words
from ambivox.models.ingestion.emotion_words import emotions_in, names_an_emotion
from ambivox.models.ingestion.nested import as_text, single_columns

#: What to do where there are shares.
NUMBERS_FOR_SHARES = "write numbers of votes in their place: shares (or percent / 100) times the number of votes on the utterance"
_PERCENT, _ROUNDED = 100, 1
_SHOWN = 12  # columns in a note
# What other columns of numbers are called.
_ROLES = ("utterance", "annotator", "speaker", "age", "weight", "split")
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
    if are_percent(_row_sums(frame, emotions)):
        return []
    stem = _stem(emotions)
    labels = [column for column in numeric if column.startswith(stem)] if stem else emotions
    labels = [column for column in labels if column in emotions or not _is_total(frame, column, labels)]
    further = _neighbours(frame, columns, labels)
    # As many votes on every utterance: the other columns are labels, too.
    if (
        further
        and _row_sums(frame, labels).n_unique() > 1 == _row_sums(frame, [*labels, *further]).n_unique()
    ):
        return [column for column in columns if column in {*labels, *further}]
    return labels


def are_percent(sums: pl.Series) -> bool:
    """Whether rows sum to 100 each, but for what rounding leaves, as percent do.

    Args:
        sums: The sum of each row; 0 says nothing.

    Example:
        >>> are_percent(pl.Series([100, 99, 0])), are_percent(pl.Series([100])), are_percent(pl.Series([100, 12]))
        (True, False, False)
    """
    sums = sums.filter(sums > 0)
    return len(sums) > 1 and bool(((sums - _PERCENT).abs() <= _ROUNDED).all())


def percent_note(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """A note where numbers that the user called numbers of votes look like percent.

    Args:
        frame: The table of votes.
        columns: Its columns of numbers of votes.
    """
    if not are_percent(_row_sums(frame, columns)):
        return []
    return [
        f"all rows of {', '.join(columns[:_SHOWN])} sum to {_PERCENT}, and each counts as so many votes; if they are percent, "
        f"{NUMBERS_FOR_SHARES}"
    ]


def count_doubts(frame: pl.DataFrame, columns: Sequence[str], labels: Sequence[str]) -> list[str]:
    """What the user should confirm of columns with numbers of votes.

    Args:
        frame: The table.
        columns: All columns that may be meant.
        labels: Those of ``count_columns``.

    Returns:
        Sentences: of several columns for one emotion, one per annotator; and of further columns that may be labels.
    """
    columns_of: dict[str, list[str]] = {}
    for column in labels:
        for emotion in emotions_in(column):
            columns_of.setdefault(emotion, []).append(column)
    twice = next((names for names in columns_of.values() if len(names) > 1), None)
    if twice is not None:
        return [
            f"{', '.join(map(repr, twice))} are named after one emotion: if they are of several annotators, write a row per vote"
        ]
    further = _neighbours(frame, columns, labels)
    if not further:
        return []
    chosen = ",".join(column for column in columns if column in {*labels, *further})
    return [
        f"{', '.join(map(repr, further))} may be labels, too: --options.shape counts --options.labels {shlex.quote(chosen)}"
    ]


def _neighbours(frame: pl.DataFrame, columns: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Further columns of numbers, no larger than those of the labels, that stand between or directly beside them."""
    order = [column for column in frame.columns if column in columns]
    places = [order.index(column) for column in labels]
    largest = max((_numbers(frame, column).max() or 0) for column in labels)
    found: list[str] = []
    for step, start in ((1, min(places)), (-1, max(places))):
        place = start
        while 0 <= place < len(order):
            column = order[place]
            if column not in labels:
                if not _may_be_a_count(frame, column, labels, largest):
                    if not min(places) <= place <= max(places):
                        break
                else:
                    found.append(column)
            place += step
    return [column for column in order if column in found]


def _may_be_a_count(frame: pl.DataFrame, column: str, labels: Sequence[str], largest: Any) -> bool:
    is_named = bool(set(words(column)) & _TOTALS) or any(named_columns(role, [column]) for role in _ROLES)
    if is_named or not is_counts(frame[column]) or _is_total(frame, column, [*labels, column]):
        return False
    numbers = _numbers(frame, column)
    return bool(len(numbers.drop_nulls())) and (numbers.max() or 0) <= largest


def _row_sums(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    return frame.select(
        pl.sum_horizontal(
            _numbers(frame, column).fill_null(0).alias(str(place)) for place, column in enumerate(columns)
        )
    ).to_series()


def _numbers(frame: pl.DataFrame, column: str) -> pl.Series:
    """A column of counts as numbers; true is 1."""
    text = as_text(frame[column]).str.strip_chars().str.to_lowercase()
    return text.replace({"true": "1", "false": "0"}).cast(pl.Float64, strict=False)


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
    named = [column for column in single_columns(frame) if names_an_emotion(column)]
    if len(named) < 2:
        return []
    text = pl.all().cast(pl.String)
    number = text.str.strip_chars_end("% ").str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    questions = (
        number.count() > 0,
        number.is_between(0, _PERCENT).all(),
        (number == number.round()).all(),
        text.str.ends_with("%").any(),
    )
    answers = zip(*(frame[named].select(question).row(0) for question in questions), strict=True)
    shares = {
        column: (are_whole, has_percent)
        for column, (has_numbers, are_within, are_whole, has_percent) in zip(named, answers, strict=True)
        if has_numbers and are_within
    }
    are_counts = all(are_whole and not has_percent for are_whole, has_percent in shares.values())
    return (
        list(shares)
        if len(shares) > 1 and (not are_counts or are_percent(_row_sums(frame, list(shares))))
        else []
    )


def _stem(columns: Sequence[str]) -> str:
    """What names start with in common, up to a separator: Answer. of Answer.anger and Answer.fear."""
    prefix = columns[0]
    for column in columns:
        while not column.startswith(prefix):
            prefix = prefix[:-1]
    return re.sub(r"(?<![^\s_.:-])[^\s_.:-]*$", "", prefix)
