"""All votes of an utterance in one cell: which columns hold lists or dictionaries of votes, or labels with a separator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from ambivox.models.ingestion.cleaning import holds_text
from ambivox.models.ingestion.column_content import may_be_labels
from ambivox.models.ingestion.columns import named_columns
from ambivox.models.ingestion.emotion_words import are_emotions
from ambivox.models.ingestion.vote_cells import are_counted, parse_cell, votes_of_cell

_SEPARATORS = (";", "|", ",")
_SAMPLE = 50


def vote_lists(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """List the columns whose cells hold lists or dictionaries of votes; those that are named after labels come first.

    A dictionary of texts may describe the utterance as well, such as its speaker and language. It holds votes only if
    several of its keys have values in common.

    Args:
        frame: The table.
        columns: The columns to choose from.

    Returns:
        The columns.
    """
    holding = [column for column in columns if _holds_votes(frame[column])]
    # Argilla writes who answered, and how far they are, in lists of their own.
    beside = {f"{column}.{name}" for column in holding for name in ("users", "status")}
    holding = [column for column in holding if column not in beside]
    named = [column for column in named_columns("label", columns) if column in holding]
    return named or holding


def separated_labels(
    frame: pl.DataFrame, columns: Sequence[str], named: Sequence[str]
) -> tuple[str, str] | None:
    """Find labels with a separator between them, such as anger;anger;fear or anger: 2, fear: 1.

    Args:
        frame: The table.
        columns: The columns to choose from.
        named: Those that are named after labels; others need to hold words for emotions.

    Returns:
        The column and the separator; None where there is none.
    """
    texts = [column for column in dict.fromkeys([*named, *columns]) if holds_text(frame[column])]
    if not texts:
        return None
    occurrences = [
        frame[texts].select(pl.all().str.contains(separator, literal=True).sum()).row(0)
        for separator in _SEPARATORS
    ]
    for column, cells_with in zip(texts, zip(*occurrences, strict=True), strict=True):
        for separator, several in zip(_SEPARATORS, cells_with, strict=True):
            if not several:
                continue
            values = frame[column].drop_nulls()
            if 2 * several <= len(values) and not are_counted(values.str.split(separator).explode()):
                continue
            labels = _labels_of(values, separator)
            if may_be_labels(labels) and (column in named or are_emotions(labels)):
                return column, separator
    return None


def _labels_of(values: pl.Series, separator: str) -> pl.Series:
    """The labels in some cells, without the annotators or numbers beside them."""
    labels = []
    for text in values.head(_SAMPLE):
        try:
            labels += [label for label, _ in votes_of_cell(text, separator)]
        except ValueError:
            return pl.Series([], dtype=pl.String)
    return pl.Series(labels, dtype=pl.String).str.strip_chars()


def _holds_votes(values: pl.Series) -> bool:
    cells = _cells(values)
    if not cells:
        return False
    try:
        labels = [label for cell in cells for label, _ in votes_of_cell(cell)]
    except ValueError:
        return False
    if not labels or not may_be_labels(pl.Series(labels * 10, dtype=pl.String)):
        return False
    return not all(map(_is_description, cells)) or _have_values_in_common(cells)


def _cells(values: pl.Series) -> list[Any]:
    """Some lists and dictionaries of a column, empty ones left out; none where it holds something else."""
    is_text = values.dtype == pl.String
    if not is_text and not isinstance(values.dtype, pl.List | pl.Struct):
        return []
    cells = []
    for given in (values.drop_nulls() if values.null_count() else values).head(_SAMPLE).to_list():
        cell = parse_cell(given) if is_text else given
        if cell is None:
            return []
        cells.append(cell)
    return [cell for cell in cells if cell]


def _is_description(cell: Any) -> bool:
    """Whether a cell is a dictionary of texts."""
    return isinstance(cell, dict) and all(isinstance(value, str | None) for value in cell.values())


def _have_values_in_common(cells: Sequence[dict[str, str | None]]) -> bool:
    values_of: dict[str, set[str]] = {}
    for cell in cells:
        for name, value in cell.items():
            values_of.setdefault(name, set()).update([] if value is None else [value])
    distinct = set().union(*values_of.values())
    return len(values_of) > 1 and sum(map(len, values_of.values())) > len(distinct)
