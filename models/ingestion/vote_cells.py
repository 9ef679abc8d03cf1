"""All votes of an utterance in one cell: a list, a dictionary, or labels with a separator."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.ingestion.columns import suggest_column
from ambivox.models.ingestion.delimited import LINE

MOST_VOTES = 100_000  # for one label of one utterance; a larger number is no count of raters
# Votes of a table, and of a row on average: a few kilobytes of large numbers would fill the memory.
_MOST_TOGETHER, _MOST_PER_ROW = 1_000_000, 1000
_NUMBER_OF = re.compile(r"^\s*([^\s:=(][^:=(]*)[:=(]\s*(\d{1,6})\s*(?:\)\s*)?$")


def check_total(path: Path, votes: int, rows: int) -> None:
    """Check that numbers of votes may be those of raters, before there is a row for each.

    Args:
        path: The table's file, for the message.
        votes: The sum of all numbers.
        rows: How many rows they are in.

    Raises:
        UserError: They are not.
    """
    if votes > max(_MOST_TOGETHER, _MOST_PER_ROW * rows):
        raise UserError(
            f"{path}: the numbers of votes add up to {votes:,} in {counted(rows, 'row')}; expected how many raters chose each label"
        )


def explode_votes(
    path: Path, table: pl.DataFrame, utterance: str, label: str, separator: str, annotator: str | None = None
) -> pl.DataFrame:
    """Read the votes of an utterance from one cell: a list of labels, or a dictionary.

    A list holds labels, or dictionaries of annotator and label. A dictionary maps labels to numbers of votes, or
    annotators to labels. In text it is written as JSON or as Python writes it; other text is split at the separator.

    Args:
        path: The table's file, for messages.
        table: One row per utterance, with LINE.
        utterance: The column with utterance ids.
        label: The column with the votes.
        separator: The text between labels in other text.
        annotator: The column with the annotator of all votes of a row, or with a list of one annotator per vote; None
            where there is none.

    Returns:
        ``utterance_id``, ``label``, ``line`` and, where the cells or a column name annotators, ``annotator_id``.

    Raises:
        UserError: A cell holds something else; the message names its line.
    """
    rows: list[tuple[Any, str | None, int, str | None]] = []
    column_of_annotators = pl.lit(None, pl.String) if annotator is None else pl.col(annotator)
    # One column may be several of them.
    selected = table.select(
        pl.col(utterance).alias("u"), pl.col(label).alias("v"), LINE, column_of_annotators.alias("a")
    )
    for identifier, value, line, name_of_row in selected.rows():
        try:
            votes = votes_of_cell(value, separator)
        except ValueError as error:
            raise UserError(f"{path}:{line}: column {label!r}: {error}") from None
        names = name_of_row if isinstance(name_of_row, list) else [name_of_row] * len(votes)
        if len(names) != len(votes):
            raise UserError(
                f"{path}:{line}: column {label!r} holds {len(votes)} votes and column {annotator!r} {len(names)} annotators; "
                "expected as many"
            )
        check_total(path, len(rows) + len(votes), table.height)
        rows += [
            (identifier, name, line, of_vote or _text(of_row))
            for (name, of_vote), of_row in zip(votes, names, strict=True)
        ]
    schema = pl.Schema(
        {"utterance_id": pl.String, "label": pl.String, "line": pl.Int64, "annotator_id": pl.String}
    )
    exploded = pl.DataFrame(rows, schema=schema, orient="row")
    return exploded if exploded["annotator_id"].is_not_null().any() else exploded.drop("annotator_id")


def votes_of_cell(value: Any, separator: str = ";") -> list[tuple[str | None, str | None]]:
    """Read the votes of a cell.

    Args:
        value: Its content; see ``explode_votes``.
        separator: The text between labels in other text.

    Returns:
        Label and annotator of every vote; None where unknown.

    Raises:
        ValueError: It holds something else.

    Example:
        >>> votes_of_cell({"anger": 2}), votes_of_cell([{"rater": "r1", "label": "fear"}])
        ([('anger', None), ('anger', None)], [('fear', 'r1')])
    """
    if value is None:
        return []
    if isinstance(value, str):
        parsed = parse_cell(value)
        return _written(value.split(separator)) if parsed is None else votes_of_cell(parsed, separator)
    if isinstance(value, list):
        return [vote for item in value for vote in _item(item)]
    if isinstance(value, dict):
        filled = {name: content for name, content in value.items() if content is not None}
        if all(isinstance(content, str) for content in filled.values()):
            return [(content, str(annotator)) for annotator, content in filled.items()]
        return [
            vote for name, number in filled.items() for vote in [(str(name), None)] * _whole(name, number)
        ]
    raise ValueError(f"expected a list or dictionary of votes, found {value!r:.60}")


def are_counted(parts: Iterable[str]) -> bool:
    """Tell whether texts are labels with numbers of votes, such as ``anger: 2`` or ``anger (2)``.

    Args:
        parts: The texts.
    """
    return all(map(_NUMBER_OF.match, parts))


def _written(parts: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """Labels as text; labels with numbers (anger: 2 or anger (2)); or annotators with labels (kim: anger)."""
    counted_parts = [_NUMBER_OF.match(part) for part in parts]
    if all(counted_parts):
        return [
            vote
            for match in counted_parts
            if match
            for vote in [(match[1].rstrip(), None)] * _whole(match[1].rstrip(), int(match[2]))
        ]
    pairs = [part.split(":") for part in parts]
    if all(len(pair) == 2 and all(map(str.strip, pair)) for pair in pairs):
        return [(label.strip(), annotator.strip()) for annotator, label in pairs]
    return [(part, None) for part in parts]


def parse_cell(text: str) -> list[Any] | dict[Any, Any] | None:
    """Parse a list or dictionary that is written as text; None for other text.

    Args:
        text: A cell.

    Returns:
        The value.

    Example:
        >>> parse_cell("['anger', 'fear']"), parse_cell('{"anger": 2}'), parse_cell("anger")
        (['anger', 'fear'], {'anger': 2}, None)
    """
    if not text.lstrip().startswith(("[", "{")):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # TypeError: {[]}
            continue
        if isinstance(value, list | dict):
            return value
    return None


def _item(item: Any) -> list[tuple[str | None, str | None]]:
    """The votes of one element of a list."""
    if item is None:
        return []
    if isinstance(item, dict):
        label = suggest_column("label", list(item), "label")
        annotator = suggest_column("annotator_id", [key for key in item if key != label], "annotator")
        if label is None or isinstance(item[label], dict | list):
            raise ValueError(f"expected dictionaries with a label and an annotator, found {item!r:.60}")
        return [(_text(item[label]), None if annotator is None else _text(item[annotator]))]
    if isinstance(item, list | bytes | bool):
        raise ValueError(f"expected a label, found {item!r:.60}")
    return [(_text(item), None)]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _whole(name: Any, number: Any) -> int:
    if isinstance(number, bool):
        return int(number)
    if not isinstance(number, int | float) or not 0 <= number <= MOST_VOTES or number != int(number):
        raise ValueError(
            f"expected a number of votes (up to {MOST_VOTES:,}) for {name!r}, found {number!r:.60}"
        )
    return int(number)
