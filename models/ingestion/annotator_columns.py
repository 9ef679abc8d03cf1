"""Annotators in a column whose name does not say so: e-mail addresses, or values that occur once per utterance and in many."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import polars as pl

from ambivox.models.ingestion.cleaning import holds_text

_ADDRESS = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
_SAMPLE = 20
_LEAST_VOTES = 3  # votes per annotator, on average
_MOST_ANNOTATORS = 200


def address_columns(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """List the columns that hold e-mail addresses: those of annotators, in a table of votes.

    Args:
        frame: The table.
        columns: The columns to choose from.
    """
    texts = [column for column in columns if holds_text(frame[column])]
    are_addresses = pl.all().str.strip_chars().str.contains(_ADDRESS).all()
    # The first rows tell most columns that have none.
    for rows in (frame.head(_SAMPLE), frame):
        if texts:
            found = rows[texts].select(are_addresses).row(0)
            texts = [column for column, is_one in zip(texts, found, strict=True) if is_one]
    return texts


def annotator_hints(frame: pl.DataFrame, keys: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Name the columns that may hold annotators, of a table with a row per vote and without a column of that name.

    Args:
        frame: The table.
        keys: The columns that say which utterance a vote is on.
        columns: The columns to choose from.

    Returns:
        One sentence with those that hold short texts, each at most once per utterance, and at least three votes per
        text on average; none where there are no such columns.

    Example:
        >>> votes = pl.DataFrame({"clip": list("aabbcc"), "by": list("xyxyxy"), "set": list("ssssss")})
        >>> annotator_hints(votes, ["clip"], ["by", "set"])[0].split("; ")[1]
        "if 'by' names them: --options.annotator by"
    """
    if not keys or not frame.select(keys).is_duplicated().any():
        return []
    likely = [
        column for column in columns if _is_likely(frame.select(*keys, column).drop_nulls(column), column)
    ]
    if not likely:
        return []
    names = " or ".join(map(repr, likely))
    return [
        f"no column is named after annotators, so they are not told apart; if {names} names them: "
        f"--options.annotator {shlex.quote(likely[0])}"
    ]


def _is_likely(votes: pl.DataFrame, column: str) -> bool:
    values = votes[column]
    is_text_or_number = values.dtype == pl.String or values.dtype.is_integer()
    return (
        is_text_or_number
        and 1 < values.n_unique() <= _MOST_ANNOTATORS
        and votes[column].n_unique() * _LEAST_VOTES <= votes.height
        and not votes.is_duplicated().any()
    )
