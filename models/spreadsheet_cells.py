"""Cells of CSV files that a spreadsheet program would run as formulas, and how they are made text.

Ids, transcripts and names come from others. A cell that begins with one of FORMULA_STARTS is a formula to Excel,
LibreOffice and Google Sheets, and a formula can read other files and open addresses (CSV injection). An apostrophe in
front makes it text.
"""

from __future__ import annotations

import re

import polars as pl

# The full-width forms are taken for the ASCII ones in some locales; tabs and line ends are removed before the cell is read.
FORMULA_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
# Apostrophes before it count, so that ``with_formulas`` takes away exactly what was added; so do blanks and what is not
# seen, which some programs remove when they open the file.
_START = rf"'*[\s\x00\u200b\ufeff]*[{re.escape(FORMULA_STARTS)}]"
_FORMULA = rf"^{_START}"
_ESCAPED = rf"^'({_START})"


def without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before every text cell and column name that begins a formula; numbers stay.

    Args:
        frame: The table that is to be written as CSV.

    Returns:
        The table with the same rows and columns.

    Example:
        >>> without_formulas(pl.DataFrame({"speaker": ["=1+1", "anna"], "gain": [-1.0, 2.0]})).rows()
        [("'=1+1", -1.0), ('anna', 2.0)]
    """
    texts = [
        pl.when(pl.col(name).str.contains(_FORMULA))
        .then("'" + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name, dtype in frame.schema.items()
        if dtype == pl.String
    ]
    escaped = {name: f"'{name}" for name in frame.columns if re.match(_FORMULA, name)}
    return frame.with_columns(texts).rename(escaped)


def with_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Undo ``without_formulas`` in the cells; column names are for the caller (``original_name``).

    Args:
        frame: A table that ``without_formulas`` changed.

    Returns:
        The cells as they were.

    Example:
        >>> with_formulas(pl.DataFrame({"speaker": ["'=1+1", "anna"]})).rows()
        [('=1+1',), ('anna',)]
    """
    return frame.with_columns(pl.col(pl.String).str.replace(_ESCAPED, "${1}"))


def original_name(name: str) -> str:
    """The name of a column before ``without_formulas``.

    Example:
        >>> original_name("'-label"), original_name("label")
        ('-label', 'label')
    """
    return re.sub(_ESCAPED, r"\1", name)
