"""Workbooks of spreadsheet programs: their sheets, and a sheet's rows as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError, unknown
from ambivox.models.ingestion.delimited import header_row, text_frame

READABLE = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
UNREADABLE = (".numbers",)


def sheet_names(path: Path) -> list[str]:
    """List the sheets of a workbook.

    Args:
        path: The workbook.

    Returns:
        The names of its sheets, in order.

    Raises:
        UserError: The file is not a readable workbook.
    """
    return list(_open(path).sheet_names)


def choose_sheet(path: Path, required: Sequence[str]) -> str:
    """Find the sheet whose header resembles the required columns most.

    Args:
        path: The workbook.
        required: Columns that must be there.

    Returns:
        The sheet's name; of equally similar sheets the first with rows.

    Raises:
        UserError: The file is not a readable workbook, or its sheets are empty.
    """
    best, best_score = "", -1
    for name in sheet_names(path):
        rows = _rows(path, name)
        if len(rows) > 1:
            _, score = header_row(rows, required)
            if score > best_score:
                best, best_score = name, score
    if best_score < 0:
        raise UserError(f"{path}: no sheet has a header and a row below it")
    return best


def read_sheet(path: Path, required: Sequence[str], sheet: str | None = None) -> pl.DataFrame:
    """Read a sheet as text: the header is the row that resembles the required columns most.

    Numbers are written as short as possible (1, not 1.0); cells that are formatted as text keep leading zeros.

    Args:
        path: The workbook.
        required: Columns that must be there.
        sheet: The sheet; by default see ``choose_sheet``.

    Returns:
        The columns as text, empty cells null, and LINE, each row's number in the sheet.

    Raises:
        UserError: The file is not a readable workbook, or has no such sheet or no rows.
    """
    name = choose_sheet(path, required) if sheet is None else sheet
    rows = _rows(path, name)
    if not rows:
        raise UserError(f"{path}: the sheet {name!r} is empty")
    top, _ = header_row(rows, required)
    numbers = [number for number, row in enumerate(rows[top + 1 :], top + 2) if any(row)]
    width = max((column + 1 for column, field in enumerate(rows[top]) if field), default=0)
    for number in numbers:
        if any(rows[number - 1][width:]):
            raise UserError(f"{path}:{number}: a value stands in a column without a name (sheet {name!r})")
    body = [rows[number - 1][:width] for number in numbers]
    return text_frame(rows[top][:width], body, numbers)


def _open(path: Path):  # type: ignore[no-untyped-def]  # fastexcel has no type of its own for the reader
    import fastexcel

    try:
        return fastexcel.read_excel(path)
    except (fastexcel.FastExcelError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path}: a spreadsheet workbook, which cannot be read ({reason}); in the spreadsheet program, save each "
            "sheet as CSV (in Excel: CSV UTF-8)"
        ) from error


def _rows(path: Path, sheet: str) -> list[list[str]]:
    """The cells of a sheet as stripped text, from its first row."""
    workbook = _open(path)
    if sheet not in workbook.sheet_names:
        raise unknown(f"sheet of {path}", sheet, workbook.sheet_names)
    frame = workbook.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="string").to_polars()
    return [[(field or "").strip() for field in row] for row in frame.rows()]
