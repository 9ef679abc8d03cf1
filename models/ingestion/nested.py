"""Nested cells of a user's table: lists and dictionaries of votes, and recordings inside the table."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.columns import suggest_column
from ambivox.models.ingestion.delimited import LINE

_NESTED = (pl.List, pl.Array, pl.Struct, pl.Binary, pl.Object)
_DESCRIPTIONS = ("meta", "metadata")
_MOST_VOTES = 100_000  # for one label of one utterance; a larger number is no count of raters
_LONGEST_NAME = 100  # file systems allow 255 bytes
_UNSAFE = re.compile(r"[^\w.-]+")


def with_descriptions(table: pl.DataFrame) -> pl.DataFrame:
    """Add a column for every single value of a dictionary that describes the row, such as ``meta.speaker``.

    Args:
        table: The table.

    Example:
        >>> with_descriptions(pl.DataFrame({"meta": [{"speaker": "1"}]})).columns
        ['meta', 'meta.speaker']
    """
    values = [
        pl.col(name).struct.field(field.name).alias(f"{name}.{field.name}")
        for name, dtype in table.schema.items()
        if isinstance(dtype, pl.Struct) and name.lower() in _DESCRIPTIONS
        for field in dtype.fields
        if not isinstance(field.dtype, _NESTED) and f"{name}.{field.name}" not in table.columns
    ]
    return table.with_columns(values)


def refuse_nested(path: Path, table: pl.DataFrame, columns: list[str]) -> None:
    """Check that columns hold single values, so that none is cast to text.

    Args:
        path: The table's file, for the message.
        table: The table.
        columns: Columns that are read as text; those that are absent are ignored.

    Raises:
        UserError: A column holds lists, dictionaries or bytes.
    """
    for column in columns:
        if column in table.columns and isinstance(dtype := table[column].dtype, _NESTED):
            raise UserError(
                f"{path}: column {column!r} holds {_kind(dtype)} ({dtype}), expected text or numbers; name another "
                "column, or turn it into single values first"
            )


def _kind(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Binary):
        return "bytes"
    return "dictionaries" if isinstance(dtype, pl.Struct) else "lists"


def embedded_recordings(path: Path, table: pl.DataFrame, column: str) -> dict[Path, bytes]:
    """List the recordings that a column of {bytes, path} holds, with the files that ``ambivox table`` writes them to.

    Args:
        path: The table's file.
        table: Its rows, with LINE.
        column: The column with the recordings.

    Returns:
        File -> content, in the order of the rows; rows without bytes are left out.
    """
    return {
        file: content["bytes"]
        for file, content in zip(_files(path, table, column), table[column].to_list(), strict=True)
        if content and content.get("bytes")
    }


def audio_paths(path: Path, table: pl.DataFrame, column: str) -> pl.DataFrame:
    """Turn a column of {bytes, path} into audio paths: the row's own file, or the one that ``ambivox table`` wrote.

    Args:
        path: The table's file.
        table: Its rows, with LINE.
        column: The column with the audio.

    Returns:
        The table with paths as text; a column of text is left as it is.

    Raises:
        UserError: The column holds something else, or recordings that are in no file yet.
    """
    dtype = table[column].dtype
    if not isinstance(dtype, _NESTED):
        return table
    names = {field.name for field in dtype.fields} if isinstance(dtype, pl.Struct) else set()
    if not names & {"bytes", "path"}:
        refuse_nested(path, table, [column])
    paths: list[str | None] = []
    for file, content in zip(_files(path, table, column), table[column].to_list(), strict=True):
        content = content or {}
        if content.get("bytes"):
            if not file.is_file():
                raise UserError(
                    f"{path}: column {column!r} holds the recordings themselves; `ambivox table {path} --write` writes "
                    f"them to {file.parent}"
                )
            paths.append(file.relative_to(path.parent).as_posix())
        else:
            paths.append(content.get("path"))
    return table.with_columns(pl.Series(column, paths, dtype=pl.String))


def _files(path: Path, table: pl.DataFrame, column: str) -> list[Path]:
    """Where the recordings of a column belong: a folder beside the table; names are numbered and hold no separators."""
    folder = path.parent / f"{path.stem}-audio"
    files = []
    for line, content in zip(table[LINE], table[column].to_list(), strict=True):
        name = _UNSAFE.sub("_", re.split(r"[/\\]", str((content or {}).get("path") or "audio.wav"))[-1])
        files.append(folder / f"{line:06}-{name[-_LONGEST_NAME:]}")
    return files


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
        annotator: The column with the annotator of all votes of a row; None where there is none.

    Returns:
        ``utterance_id``, ``label``, ``line`` and, where the cells or a column name annotators, ``annotator_id``.

    Raises:
        UserError: A cell holds something else; the message names its line.
    """
    rows: list[tuple[Any, str | None, int, str | None]] = []
    of_row = pl.lit(None, pl.String) if annotator is None else pl.col(annotator).cast(pl.String)
    # One column may be several of them.
    selected = table.select(pl.col(utterance).alias("u"), pl.col(label).alias("v"), LINE, of_row.alias("a"))
    for identifier, value, line, name_of_row in selected.rows():
        try:
            votes = votes_of_cell(value, separator)
        except ValueError as error:
            raise UserError(f"{path}:{line}: column {label!r}: {error}") from None
        rows += [(identifier, name, line, of_vote or name_of_row) for name, of_vote in votes]
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
        return (
            [(part, None) for part in value.split(separator)]
            if parsed is None
            else votes_of_cell(parsed, separator)
        )
    if isinstance(value, list):
        return [vote for item in value for vote in _item(item)]
    if isinstance(value, dict):
        filled = {name: content for name, content in value.items() if content is not None}
        if all(isinstance(content, str) for content in filled.values()):
            return [(content, str(annotator)) for annotator, content in filled.items()]
        return [(str(name), None) for name, number in filled.items() for _ in range(_whole(name, number))]
    raise ValueError(f"expected a list or dictionary of votes, found {value!r:.60}")


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
    if not isinstance(number, int | float) or not 0 <= number <= _MOST_VOTES or number != int(number):
        raise ValueError(
            f"expected a number of votes (up to {_MOST_VOTES:,}) for {name!r}, found {number!r:.60}"
        )
    return int(number)
