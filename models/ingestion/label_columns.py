"""The column with the label of each vote, in a table with a row per vote."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from ambivox.models.ingestion.annotator_columns import address_columns
from ambivox.models.ingestion.column_content import may_be_labels
from ambivox.models.ingestion.columns import all_named, best_named, named_columns, words
from ambivox.models.ingestion.count_columns import share_columns
from ambivox.models.ingestion.emotion_words import are_emotions
from ambivox.models.ingestion.nested import as_text
from ambivox.models.ingestion.vote_columns import VoteColumns
from ambivox.models.ingestion.vote_plausibility import agree_too_well, describes_recordings, opinions

_MOST_CLASSES = 10
_AT_END = r"(\p{L})\s*[ (\[:=,/-]\s*\d+([.,]\d+)?\s*(%|/\s*\d+)?\s*[)\]]?\s*$"
_NEARLY_ALL = 0.8  # of the cells
# Words of columns with an annotator's second choice.
_SECOND = frozenset({"second", "secondary", "2nd", "minor", "alternative", "alternate"})


def first_choices(columns: Sequence[str]) -> list[str]:
    """The columns that do not hold second choices; all of them where no other is left.

    Args:
        columns: Their names.
    """
    return [column for column in columns if not set(words(column)) & _SECOND] or list(columns)


def label_columns(
    frame: pl.DataFrame, columns: Sequence[str], given: Mapping[str, Any], keys: Sequence[str]
) -> VoteColumns | None:
    """Find the column with the label of each vote: by its name, or else by its content.

    Args:
        frame: The table.
        columns: Those that may be meant.
        given: Options that the user gave.
        keys: The columns that say which recording a row is about, and which part of it.

    Returns:
        Where the labels are; None where no column may hold them.
    """
    if "label" in given:
        return VoteColumns({}, "as given") if given["label"] in frame.columns else None
    # Beside an annotator's first choice, a second one is not read.
    columns = first_choices(columns)
    others = {best_named(role, columns) for role in ("annotator", "utterance")} | {
        *address_columns(frame, columns),
        *share_columns(frame),
    }
    labels = [c for c in columns if c not in others and (may_be_labels(frame[c]) or are_emotions(frame[c]))]
    # What was meant by the speaker, or agreed on, is the same in all rows of a recording.
    votes = [c for c in opinions(labels) if not describes_recordings(frame, c, keys)] or opinions(labels)
    exact = next((c for c in all_named("label", columns) if c in votes or c not in labels), None)
    if exact is not None and are_few_numbers(frame[exact]):
        return VoteColumns({"label": exact}, "by its name", doubts=[numbers_doubt(exact, frame[exact])])
    named = [column for column in named_columns("label", columns) if column in votes]
    found = None
    if exact in named:
        found = VoteColumns({} if exact == "label" else {"label": exact}, "by its name")
    elif len(named) == 1:
        found = VoteColumns({"label": named[0]}, "by its name, and it has few distinct values")
    if found is not None:
        _doubt_label(found, frame, named[0] if exact not in named else str(exact), votes, keys)
        return found
    by_content = named or votes
    if not by_content:
        return None
    emotions = [column for column in by_content if are_emotions(frame[column])]
    if len(emotions) == 1:
        return VoteColumns({"label": emotions[0]}, "its values are words for emotions")
    doubt = f"the labels may be in {' or '.join(map(repr, by_content))}: few distinct values"
    return VoteColumns({"label": by_content[0]}, "it has few distinct values", doubts=[doubt])


def _doubt_label(
    found: VoteColumns, frame: pl.DataFrame, label: str, votes: Sequence[str], keys: Sequence[str]
) -> None:
    """Doubt a column that is called like labels where another has words for emotions, or where nobody ever disagrees."""
    found.doubts += _numbered_doubt(label, frame[label])
    others = [column for column in votes if column != label and are_emotions(frame[column])]
    if others and not are_emotions(frame[label]):
        found.doubts.append(f"the labels may be in {' or '.join(map(repr, [label, *others]))} (option label)")
    elif agree_too_well(frame, label, keys):
        found.doubts.append(
            f"{label!r} is the same in all rows of a recording; if these are the votes: --options.label {shlex.quote(label)}"
        )


def _numbered_doubt(column: str, values: pl.Series) -> list[str]:
    """Doubt labels with different numbers at their ends, such as anger (2) and anger (3)."""
    given = values.drop_nulls() if values.dtype == pl.String else pl.Series([], dtype=pl.String)
    numbered = given.filter(given.str.contains(_AT_END))
    if 2 * len(numbered) <= len(given):
        return []
    plain = numbered.unique().str.replace(_AT_END, "${1}").str.to_lowercase()
    if not plain.is_duplicated().any():
        return []
    return [
        f"labels in {column!r} end with numbers, such as {numbered.unique().sort()[0]!r}: if they are intensities, write them into a "
        f"column of their own; --options.label {shlex.quote(column)} reads them as they are"
    ]


def numbers_doubt(column: str, values: pl.Series, option: str = "label") -> str:
    """Say that labels are numbers, which may be codes or ratings.

    Args:
        column: What holds them.
        values: The labels.
        option: The option that reads them as they are.
    """
    shown = ", ".join(as_text(values).drop_nulls().unique().sort().head(_MOST_CLASSES))
    return f"the labels in {column!r} are numbers ({shown}); --options.{option} {shlex.quote(column)} reads them as they are"


def are_few_numbers(values: pl.Series) -> bool:
    """Tell whether nearly all cells of a column hold one of at most ten whole numbers.

    Args:
        values: The column.

    Example:
        >>> are_few_numbers(pl.Series(["1", "2", "1", "3", "2"])), are_few_numbers(pl.Series(["1", "joy", "fear"]))
        (True, False)
    """
    if values.dtype == pl.Boolean:
        return False
    given = as_text(values).drop_nulls().cast(pl.Float64, strict=False)
    numbers = given.drop_nulls()
    is_whole = len(numbers) and numbers.is_finite().all() and (numbers == numbers.round()).all()
    return (
        bool(is_whole)
        and len(numbers) >= _NEARLY_ALL * len(given)
        and 1 < numbers.n_unique() <= _MOST_CLASSES
    )
