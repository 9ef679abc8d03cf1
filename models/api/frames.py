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
        UserError: it is no frame.
    """
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
    if converted[UTTERANCE].null_count():
        raise UserError(
            f"{name}: {counted(converted[UTTERANCE].null_count(), 'row has', 'rows have')} no {UTTERANCE}"
        )
    return converted.with_columns(pl.col(UTTERANCE).cast(pl.String))


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
