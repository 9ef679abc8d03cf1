"""Headers of two rows, whose upper cells are merged: raters above, and what is asked of each below.

In delimited text, and as cells of a workbook, a merged cell is its text and empty cells beside it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ambivox.models.ingestion.columns import all_named, named_columns
from ambivox.models.ingestion.emotion_words import names_an_emotion
from ambivox.models.ingestion.recordings import AUDIO_SUFFIXES

_ROWS = 20
_NUMBER = re.compile(r"^[+-]?\d+([.,]\d+)?$")
_MARK = re.compile(r"^(\d+|x|true|false|yes|no)?$", re.IGNORECASE)


class TwoRows(NamedTuple):
    """A header of two rows.

    Attributes:
        lower: The index of its second row.
        names: The columns' names, of both rows.
    """

    lower: int
    names: list[str]


class _Group(NamedTuple):
    """An upper cell, and the columns below it."""

    upper: str
    columns: range


def find_two_rows(rows: Sequence[Sequence[str]]) -> TwoRows | None:
    """Find a header of two rows: the same names below several upper cells.

    A column of labels is called like its rater alone, so that the rater is known by name; any other column by the rater and
    what it holds.

    Args:
        rows: The first rows of a table, without surrounding blanks.

    Returns:
        The header; None where there is none of this kind.

    Example:
        >>> header = [["", "Kim", "", "Lou", ""], ["clip", "emotion", "sure", "emotion", "sure"]]
        >>> find_two_rows([*header, ["a", "joy", "3", "fear", "2"]])
        TwoRows(lower=1, names=['clip', 'Kim', 'Kim sure', 'Lou', 'Lou sure'])
    """
    rows = rows[:_ROWS]
    for number in range(len(rows) - 2):
        width = max(map(len, rows[number : number + 2]))
        upper, lower, *below = ([*row, *[""] * width][:width] for row in rows[number:])
        if sum(map(bool, upper)) > 1 and (names := _names(upper, lower, below)) is not None:
            return TwoRows(number + 1, names)
        if any(upper) and _is_banner(upper, lower, below):
            return TwoRows(number + 1, [low or up for up, low in zip(upper, lower, strict=True)])
    return None


def _is_banner(upper: list[str], lower: list[str], below: Sequence[list[str]]) -> bool:
    """Whether a row with empty cells, such as ``Emotion`` merged over all raters, stands above the columns' names."""
    names = [name for name in lower if name]
    width = max((column + 1 for row in below for column, cell in enumerate(row) if cell), default=0)
    return (
        sum(map(bool, upper)) < len(names) == len(set(names))
        and all(low or up for up, low in zip(upper[:width], lower[:width], strict=True))
        and any(all_named(role, names) for role in ("audio", "utterance", "annotator"))
        and not any(_NUMBER.match(name) or name.lower().endswith(AUDIO_SUFFIXES) for name in names)
        and not any(row[column] == name for row in below for column, name in enumerate(lower) if name)
    )


def _names(upper: list[str], lower: list[str], below: Sequence[list[str]]) -> list[str] | None:
    groups = _groups(upper, lower)
    contents = Counter(tuple(lower[column].casefold() for column in group.columns) for group in groups)
    content, times = max(contents.items(), key=lambda pair: (pair[1], len(pair[0])), default=((), 0))
    if times < 2 or len(set(content)) < len(content):
        return None
    # The last group may end before columns that belong to nobody.
    groups = [
        _Group(group.upper, group.columns[: len(content)])
        for group in groups
        if tuple(lower[column].casefold() for column in group.columns[: len(content)]) == content
    ]
    if len({group.upper for group in groups}) < len(groups):
        return None
    columns = [column for group in groups for column in group.columns]
    # Cells that occur again below, and numbers, are data.
    if any(_NUMBER.match(lower[c]) or any(row[c] == lower[c] for row in below) for c in columns):
        return None
    names = [low or up for up, low in zip(upper, lower, strict=True)]
    of_raters = named_columns("label", [lower[column] for column in groups[0].columns])
    of_contents = named_columns("label", [group.upper for group in groups])
    # A single emotion below several cells is a row of votes: marks need a choice of labels.
    are_marks = (
        len(content) > 1
        and all(names_an_emotion(name) for name in content)
        and all(_MARK.match(row[column]) for row in below for column in columns)
    )
    if of_raters and not are_marks:
        chosen = of_raters[0].casefold()
        for group in groups:
            for column in group.columns:
                is_label = lower[column].casefold() == chosen
                names[column] = group.upper if is_label else f"{group.upper} {lower[column]}"
    elif (of_contents and len(content) > 1) or are_marks:
        for group in groups:
            for column in group.columns:
                is_label = not are_marks and group.upper == of_contents[0]
                names[column] = lower[column] if is_label else f"{group.upper} {lower[column]}"
    else:
        return None
    return names


def _groups(upper: Sequence[str], lower: Sequence[str]) -> list[_Group]:
    """Each upper cell with the empty ones after it, or those that repeat it, above names."""
    groups: list[_Group] = []
    for column, (up, low) in enumerate(zip(upper, lower, strict=True)):
        last = groups[-1] if groups else None
        if not low:
            continue
        if last is not None and column == last.columns.stop and up in ("", last.upper):
            groups[-1] = _Group(last.upper, range(last.columns.start, column + 1))
        elif up:
            groups.append(_Group(up, range(column, column + 1)))
    return groups
