"""Assignments of crowdsourcing exports: the votes of those that were rejected, returned or not finished."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.nested import as_text
from ambivox.models.ingestion.table_settings import LEFT_OUT
from ambivox.models.ingestion.utterance_rows import text_column

_STATUSES = {
    *(
        "approved",
        "rejected",
        "submitted",
        "returned",
        "timed-out",
        "accepted",
        "completed",
        "complete",
        "active",
    ),
    *("awaiting review", "withdrawn", "screened out", "incomplete", "discarded"),
    # Qualtrics: how an answer came in.
    *("ip address", "survey preview", "survey test", "spam", "imported"),
}
# What Prodigy writes beside the labels, which are in another column.
_DECISIONS = ("accept", "reject", "ignore")


def status_column(frame: pl.DataFrame) -> str | None:
    """Find the column that says whether an assignment or answer was rejected, in exports of MTurk, Prolific, Toloka, Prodigy.

    Args:
        frame: A table.

    Returns:
        The column; None where there is none.
    """
    for column in frame.columns:
        if frame[column].dtype == pl.String and ("status" in words(column) or column == "answer"):
            values = frame[column].drop_nulls().str.strip_chars().str.to_lowercase().unique()
            known = _DECISIONS if column == "answer" else _STATUSES
            if len(values) and values.is_in(list(known)).all():
                return column
    return None


def untrusted_column(frame: pl.DataFrame) -> str | None:
    """Find the column of Appen's reports that says whether a judgment is trusted.

    Args:
        frame: A table.

    Returns:
        The column, where a judgment is not trusted; else None.
    """
    if "_trusted" not in frame.columns:
        return None
    is_untrusted = as_text(frame["_trusted"]).str.to_lowercase() == "false"
    return "_trusted" if is_untrusted.any() else None


def is_left_out(settings: Mapping[str, Any]) -> pl.Expr:
    """Tell whether the state in the column ``status`` is one whose votes are left out; upper and lower case are alike.

    Args:
        settings: Options of the corpus ``table``.

    Returns:
        The expression.
    """
    states = [str(state).strip().casefold() for state in settings.get("leave_out", LEFT_OUT)]
    return pl.col("status").str.to_lowercase().is_in(states).fill_null(value=False)


def status_note(table: pl.DataFrame, settings: Mapping[str, Any]) -> list[str]:
    """Make a note where votes of rejected assignments are counted because nobody said otherwise.

    Args:
        table: The table of votes.
        settings: Options of the corpus ``table``.

    Returns:
        One note, or none.
    """
    column = None if "status" in settings else status_column(table)
    if column is None:
        return []
    count = int(table.select(status=text_column(column)).filter(is_left_out(settings)).height)
    option = f"--options.status {shlex.quote(column)}"
    return (
        [
            f"{counted(count, 'vote counts', 'votes count')} although of rejected or returned assignments; {option} leaves them out"
        ]
        if count
        else []
    )


def rejected_assignments(votes: pl.DataFrame, settings: Mapping[str, Any], path: Path) -> pl.DataFrame:
    """Reject the votes of assignments that were rejected, returned or not finished.

    Args:
        votes: Votes, with ``status`` where the table has it.
        settings: Options of the corpus ``table``.
        path: The table of votes.

    Returns:
        The rejects.
    """
    if "status" not in votes.columns:
        return rejected(votes.clear(), "")
    rows = votes.filter(is_left_out(settings)).with_columns(file=pl.lit(str(path)))
    return rejected(rows, "vote of an assignment that is left out", pl.col("status"))
