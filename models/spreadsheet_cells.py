"""Cells of CSV files that a spreadsheet program would run as formulas, and how they are made text.

Ids, transcripts and names come from others. A cell that begins with one of FORMULA_STARTS is a formula to Excel,
LibreOffice and Google Sheets, and a formula can read other files and open addresses (CSV injection). An apostrophe in
front makes it text.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

import polars as pl

# The full-width and small forms are taken for the ASCII ones in some locales; tabs and line ends are removed before the
# cell is read.
FORMULA_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
# What is not seen, which some programs remove when they open the file: blanks, control and format characters.
_UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")


@cache
def _start() -> str:
    """A pattern for the start of a formula; apostrophes before it count, so that exactly what was added is taken away.

    The characters are listed, because Python's patterns have no categories; that takes a third of a second, once.
    """
    unseen = (chr(each) for each in range(sys.maxunicode + 1) if unicodedata.category(chr(each)) in _UNSEEN)
    listed = "".join(rf"\U{ord(each):08x}" for each in unseen)
    return rf"'*[{listed}]*[{re.escape(FORMULA_STARTS)}]"


def _formula() -> str:
    return f"^{_start()}"


def _escaped() -> str:
    return f"^'({_start()})"


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
        pl.when(pl.col(name).str.contains(_formula()))
        .then("'" + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name, dtype in frame.schema.items()
        if dtype == pl.String
    ]
    escaped = {name: f"'{name}" for name in frame.columns if re.match(_formula(), name)}
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
    return frame.with_columns(pl.col(pl.String).str.replace(_escaped(), "${1}"))


def original_name(name: str) -> str:
    """The name of a column before ``without_formulas``.

    Example:
        >>> original_name("'-label"), original_name("label")
        ('-label', 'label')
    """
    return re.sub(_escaped(), r"\1", name)
