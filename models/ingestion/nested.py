"""Nested cells of a user's table: lists and dictionaries of votes, and recordings inside the table."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from ambivox.models.column_patterns import is_column_pattern
from ambivox.models.errors import UserError
from ambivox.models.ingestion.delimited import LINE

_NESTED = (pl.List, pl.Array, pl.Struct, pl.Binary, pl.Object)
_DESCRIPTIONS = ("meta", "metadata")
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
        if not isinstance(field.dtype, _NESTED)
        and not is_column_pattern(field.name)
        and f"{name}.{field.name}" not in table.columns
    ]
    return table.with_columns(values)


def single_columns(table: pl.DataFrame) -> list[str]:
    """List the columns that hold single values.

    Args:
        table: The table.
    """
    return [name for name, dtype in table.schema.items() if not isinstance(dtype, _NESTED)]


def as_text(values: pl.Series) -> pl.Series:
    """The values of a column as texts; lists, dictionaries and bytes are null.

    Args:
        values: The column.

    Example:
        >>> as_text(pl.Series([1, None])).to_list(), as_text(pl.Series([["a"]])).to_list()
        (['1', None], [None])
    """
    if isinstance(values.dtype, _NESTED):
        return pl.repeat(None, len(values), dtype=pl.String, eager=True).alias(values.name)
    return values.cast(pl.String)


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
