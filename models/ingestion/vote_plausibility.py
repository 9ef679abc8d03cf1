"""Whether columns that look like votes can be votes: opinions on a recording differ, and an annotator has it once."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.nested import single_columns

#: Words of columns, sheets and rows that hold something else than one person's opinions.
RESULT_WORDS = frozenset(
    [
        *(
            "intended",
            "intention",
            "intent",
            "acted",
            "target",
            "expected",
            "true",
            "truth",
            "gold",
            "correct",
        ),
        *("majority", "final", "consensus", "mode", "agreed", "agreement", "aggregated", "adjudicated"),
        *(
            "suggestion",
            "suggested",
            "predicted",
            "prediction",
            "summary",
            "total",
            "mean",
            "average",
            "median",
        ),
    ]
)
_MARKS = {
    *("practice", "training", "warmup", "tutorial", "example", "attention", "catch", "check", "dummy"),
    *("exclude", "excluded", "invalid", "withdrew", "withdrawn", "passed", "failed"),
}
_MOST_MARKS = 4
_CLEARLY_MANY = 8  # recordings on which raters who differ cannot all agree by chance


def is_a_result(name: str) -> bool:
    """Tell whether a name is one of a result, an intention or a guess of a program, and not of a person.

    Args:
        name: Of a column, a sheet or an annotator.

    Example:
        >>> is_a_result("intended_emotion"), is_a_result("Majority"), is_a_result("perceived emotion")
        (True, True, False)
    """
    return not RESULT_WORDS.isdisjoint(words(name))


def opinions(columns: Sequence[str]) -> list[str]:
    """The columns that are not named after a result; all of them where no other is left.

    Args:
        columns: Their names.
    """
    return [column for column in columns if not is_a_result(column)] or list(columns)


def describes_recordings(frame: pl.DataFrame, column: str, keys: Sequence[str], *, least: int = 2) -> bool:
    """Tell whether a column has one value in all rows of a recording: it says something of the recording, and is no vote.

    Args:
        frame: The table.
        column: The column.
        keys: The columns that say which recording, and which part of it.
        least: Recordings with several rows, from which this can be told.

    Example:
        >>> rows = pl.DataFrame({"file": list("aabb"), "meant": list("xxyy"), "heard": list("xyyy")})
        >>> describes_recordings(rows, "meant", ["file"]), describes_recordings(rows, "heard", ["file"])
        (True, False)
    """
    if not keys or column in keys or frame[column].dtype.is_nested():
        return False
    per_recording = (
        frame.select(*keys, column)
        .drop_nulls()
        .group_by(keys)
        .agg(pl.struct(rows=pl.len(), values=pl.col(column).n_unique()).alias(column))
    )
    several = per_recording[column].struct.unnest().filter(pl.col("rows") > 1)
    return several.height >= least and bool((several["values"] == 1).all())


def agree_too_well(frame: pl.DataFrame, column: str, keys: Sequence[str]) -> bool:
    """Tell whether all rows of every recording have the same label, on more recordings than people agree on by chance.

    Args:
        frame: The table.
        column: The column with labels.
        keys: The columns that say which recording.
    """
    return describes_recordings(frame, column, keys, least=_CLEARLY_MANY)


def marks_of_rows(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """Say which columns may mark rows that are no votes, such as practice trials and attention checks.

    Args:
        frame: The table.
        columns: Those that mean nothing else.

    Example:
        >>> marks_of_rows(pl.DataFrame({"block": ["practice", "main"]}), ["block"])
        ["column 'block' may mark rows that are no votes (main, practice); all rows are read, so remove those"]
    """
    single = single_columns(frame.select(columns))
    if not single:
        return []
    texts = pl.all().cast(pl.String).drop_nulls().str.strip_chars()
    numbers = frame[single].select(texts.n_unique()).row(0)
    hints = []
    for column, number in zip(single, numbers, strict=True):
        if not 1 < number <= _MOST_MARKS:
            continue
        values = frame[[column]].select(texts.unique().sort()).to_series()
        if not _MARKS.isdisjoint([*words(column), *map(str.lower, values)]):
            hints.append(
                f"column {column!r} may mark rows that are no votes ({', '.join(values)}); all rows are read, so remove those"
            )
    return hints


def fill_down_doubts(frame: pl.DataFrame, label: str, columns: Sequence[str]) -> list[str]:
    """Say which columns are empty beside most labels: cells that are merged, or filled in once per group of rows.

    Args:
        frame: The table, a row per vote.
        label: Its column with labels.
        columns: Columns that each vote needs.

    Example:
        >>> votes = pl.DataFrame({"file": ["a", None, None, "b", None, None], "label": ["joy"] * 6})
        >>> fill_down_doubts(votes, "label", ["file"])
        ["'file' is empty in 4 of 6 rows with a label: if it means the cell above (merged cells), fill it down in all rows"]
    """
    votes = frame.filter(pl.col(label).is_not_null())
    return [
        f"{column!r} is empty in {empty} of {votes.height} rows with a label: if it means the cell above (merged cells), fill "
        "it down in all rows"
        for column in dict.fromkeys(columns)
        if 2 * (empty := votes[column].null_count()) > votes.height and empty < votes.height
    ]


def repeats(frame: pl.DataFrame, column: str, keys: Sequence[str]) -> float:
    """The share of rows in which a value stands again beside the same recording: an annotator seldom has it twice.

    Args:
        frame: The table.
        column: The column that may hold annotators.
        keys: The columns that say which recording; without any, nothing is known.
    """
    if not keys:
        return 0.0
    rows = frame.select(*dict.fromkeys([*keys, column])).drop_nulls()
    return 1 - rows.unique().height / rows.height if rows.height else 0.0
