"""Frames of any library as polars frames, and back to the library that the user works with.

pandas, polars and Arrow tables, and lists of rows are taken. A result is of the kind of the first argument: pandas for
pandas, Arrow for Arrow, else polars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError, first_line

# A pandas, polars or Arrow table, a list of rows (tuples or dictionaries), or a mapping of columns.
Frame = Any

UTTERANCE = "utterance_id"


def to_polars(frame: Frame, name: str, columns: Sequence[str] = ()) -> pl.DataFrame:
    """A frame as a polars frame.

    Args:
        frame: see ``Frame``. A pandas index with a name becomes a column.
        name: what an error calls it.
        columns: the names of the columns of a list of tuples.

    Returns:
        The frame; the column ``utterance_id`` is text.

    Raises:
        UserError: it is no frame, or utterances have no names.
    """
    if isinstance(frame, list | tuple) and not frame:
        raise UserError(f"{name}: found an empty list, expected at least one row")
    try:
        if isinstance(frame, pl.LazyFrame):
            converted = frame.collect()
        elif isinstance(frame, pl.DataFrame):
            converted = frame
        elif type(frame).__module__.startswith("pandas") and hasattr(frame, "columns"):
            converted = pl.from_pandas(frame, include_index=frame.index.name is not None)
        elif isinstance(frame, list) and frame and isinstance(frame[0], tuple):
            converted = pl.DataFrame(frame, schema=list(columns)[: len(frame[0])], orient="row")
        elif isinstance(frame, list | Mapping) or hasattr(frame, "__arrow_c_stream__"):
            converted = pl.DataFrame(frame)
        else:
            raise TypeError(f"a {type(frame).__name__}")
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise UserError(
            f"{name}: expected a table of pandas, polars or Arrow, or a list of rows ({first_line(error)})"
        ) from error
    if UTTERANCE not in converted.columns:
        raise UserError(
            f"{name}: found no column {UTTERANCE!r} among {', '.join(map(repr, converted.columns[:8]))}; rename the "
            "column that names the utterances"
        )
    named = converted.with_columns(text(converted, UTTERANCE, name).str.strip_chars().replace("", None))
    missing = named[UTTERANCE].null_count()
    if missing:
        raise UserError(f"{name}: {counted(missing, 'row has', 'rows have')} no {UTTERANCE}")
    return named


def text(frame: pl.DataFrame, column: str, name: str) -> pl.Series:
    """A column as text.

    Args:
        frame: the frame.
        column: the column.
        name: what an error calls the frame.

    Raises:
        UserError: the column holds lists or objects.

    Examples:
        >>> text(pl.DataFrame({"label": [1, None]}), "label", "votes").to_list()
        ['1', None]
    """
    values = frame[column]
    if values.dtype.is_nested() or values.dtype in (pl.Object, pl.Binary):
        found = next((value for value in values if value is not None), None)
        found = found.to_list() if isinstance(found, pl.Series) else found
        raise UserError(
            f"{name}: the column {column!r} holds {str(found)[:60]} (a {type(found).__name__}), expected one name per row; "
            "make a row for each (explode, in pandas and polars)"
        )
    return values.cast(pl.String)


def numbers(frame: pl.DataFrame, columns: Sequence[str], name: str) -> pl.DataFrame:
    """Columns as numbers; what is nan becomes null.

    Args:
        frame: a frame with ``utterance_id``.
        columns: the columns.
        name: what an error calls the frame.

    Raises:
        UserError: a value is no number.

    Examples:
        >>> numbers(pl.DataFrame({"utterance_id": ["u"], "joy": ["0.5"]}), ["joy"], "votes").rows()
        [(0.5,)]
    """
    converted = {}
    for column in columns:
        values = frame[column]
        if values.dtype.is_temporal() or values.dtype.is_nested() or values.dtype in (pl.Object, pl.Binary):
            bad_N = values.is_not_null()
            cast = pl.Series([None] * len(values), dtype=pl.Float64)
        elif values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null):
            converted[column] = values.cast(pl.Float64).fill_nan(None)
            continue
        else:
            cast = values.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
            bad_N = values.is_not_null() & cast.is_null()
        if bad_N.any():
            row = int(bad_N.arg_true()[0])
            raise UserError(
                f"{name}: the column {column!r} holds {str(values[row])[:60]!r} ({UTTERANCE} {frame[UTTERANCE][row]!r}), "
                "expected numbers; correct it, or leave the column out"
            )
        converted[column] = cast.fill_nan(None)
    return pl.DataFrame(converted)


def like(result: pl.DataFrame, frame: Frame) -> Any:
    """A result as a frame of the library that an argument is of.

    Args:
        result: the result.
        frame: the argument.
    """
    module = type(frame).__module__
    if module.startswith("pandas"):
        return result.to_pandas()
    if module.startswith("pyarrow"):
        return result.to_arrow()
    return result
