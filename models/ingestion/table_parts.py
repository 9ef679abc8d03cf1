"""A table in several parts: files of a folder, or sheets of a workbook, with the same columns.

Annotators who fill in a copy each, experiments that write a file per participant, and large tables in shards come so. A
pattern such as ``votes_*.csv`` names the files, or ``Rater *`` the sheets; a column TABLE names each row's part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.reading import read_table
from ambivox.models.ingestion.workbooks import READABLE, sheet_names

#: The column with the name of the file, without its suffix, or of the sheet that a row is from.
TABLE = "table"
_LINES = 2**40  # more than a part has; line numbers of the second part start here, and so on


class Part(NamedTuple):
    """A file, and its sheet where that is named."""

    path: Path
    sheet: str | None

    @property
    def name(self) -> str:
        """What TABLE holds."""
        return self.sheet if self.sheet is not None else self.path.stem


def find_parts(path: Path, sheet: str | None) -> list[Part]:
    """Find what a name or a pattern stands for.

    Args:
        path: A file, or a pattern for the names of files.
        sheet: A sheet, or a pattern for the names of sheets; None where none is named.

    Returns:
        The parts, in the order of their names; one where neither is a pattern.

    Raises:
        UserError: No file or sheet has such a name.
    """
    files = [path]
    if is_pattern(path):
        files = sorted(
            file
            for file in path.parent.glob(path.name)
            if file.is_file() and not file.name.startswith((".", "~$"))
        )
        if not files:
            raise UserError(f"{path}: no file has such a name")
    if sheet is None or "*" not in sheet:
        return [Part(file, sheet) for file in files]
    parts = [
        Part(file, name)
        for file in files
        if file.suffix.lower() in READABLE
        for name in sheet_names(file)
        if name == sheet or fnmatchcase(name, sheet)
    ]
    if not parts:
        raise UserError(f"{path}: no sheet is called {sheet!r}")
    return parts


def is_pattern(path: Path) -> bool:
    """Whether a path stands for several files: it has an asterisk, and no file is called so."""
    return "*" in path.name and not path.exists()


def read_parts(
    path: Path,
    required: Sequence[str],
    *,
    numbers: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
    sheet: str | None = None,
) -> pl.DataFrame:
    """Read a table in one part or several; see ``reading.read_table``.

    Args:
        path: A file, or a pattern.
        required: Columns that must be there.
        numbers: Columns of numbers.
        options: Per required column, the name of the option that maps it, for messages.
        sheet: A sheet, or a pattern.

    Returns:
        The rows of all parts. Where there is a pattern, TABLE is one of the columns, and LINE also tells the part
        (``places``).

    Raises:
        UserError: A part cannot be read, or has other columns than the first.
    """
    if not is_pattern(path) and (sheet is None or "*" not in sheet):
        return read_table(path, required, numbers=numbers, options=options, sheet=sheet)
    required = [column for column in required if column != TABLE]
    parts = find_parts(path, sheet)
    frames = [
        read_table(part.path, required, numbers=numbers, options=options, sheet=part.sheet) for part in parts
    ]
    for part, frame in zip(parts, frames, strict=True):
        if set(frame.columns) != set(frames[0].columns):
            raise UserError(
                f"{part.path}: the columns of {part.name!r} are not those of {parts[0].name!r} "
                f"({', '.join(sorted(set(frame.columns) ^ set(frames[0].columns)))}); expected the same in all parts of a table"
            )
    numbered = [
        frame.select(frames[0].columns).with_columns(pl.col(LINE) + number * _LINES)
        for number, frame in enumerate(frames)
    ]
    return join(parts, numbered)


def places(frame: pl.DataFrame, parts_of: Mapping[str, Sequence[Part]]) -> pl.DataFrame:
    """Say of rows in which part and line they are.

    Args:
        frame: Rows with ``file``, as read, and ``line``, which was LINE.
        parts_of: ``file`` -> the parts that were read as it.

    Returns:
        The rows with the file and the line of the part.
    """
    number = pl.col("line") // _LINES
    file = pl.col("file")
    for name, parts in parts_of.items():
        files = pl.lit(pl.Series([str(part.path) for part in parts], dtype=pl.String).implode())
        file = (
            pl.when((pl.col("file") == name) & number.is_between(0, len(parts) - 1))
            .then(files.list.get(number, null_on_oob=True))
            .otherwise(file)
        )
    return frame.with_columns(file=file, line=pl.col("line") % _LINES)


def place_in_text(message: str, parts_of: Mapping[str, Sequence[Part]]) -> str:
    """Say in a message in which part and line something is.

    Args:
        message: May name ``file:line``, as in ``places``.
        parts_of: ``file`` -> the parts that were read as it.
    """
    for name, parts in parts_of.items():

        def place(match: re.Match[str], parts: Sequence[Part] = parts) -> str:
            number, line = divmod(int(match[1]), _LINES)
            return f"{parts[number].path}:{line}" if number < len(parts) else match[0]

        message = re.sub(re.escape(name) + r":(\d+)", place, message)
    return message


def join(parts: Sequence[Part], frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Join the rows of parts, with TABLE.

    Args:
        parts: The parts.
        frames: Their rows, with the same columns in the same order.

    Returns:
        All rows.

    Raises:
        UserError: A column has values of different kinds.
    """
    if TABLE not in frames[0].columns:
        frames = [
            frame.with_columns(pl.lit(part.name).alias(TABLE))
            for part, frame in zip(parts, frames, strict=True)
        ]
    try:
        return pl.concat(frames, how="vertical_relaxed")
    except (pl.exceptions.SchemaError, pl.exceptions.ShapeError) as error:
        raise UserError(
            f"{parts[0].path.parent}: {some([part.name for part in parts])} have the same columns, but with values of "
            "different kinds"
        ) from error


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are.

    Args:
        names: Of files or sheets.

    Example:
        >>> some(["a", "b", "c", "d"])
        'a, b, c and 1 more'
    """
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
