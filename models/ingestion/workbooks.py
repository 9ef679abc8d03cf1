"""Workbooks of spreadsheet programs: their sheets, and a sheet's rows as text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError, unknown
from ambivox.models.ingestion import workbook_process
from ambivox.models.ingestion.delimited import header_row, text_frame
from ambivox.models.temporary_files import scratch_folder

READABLE = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
UNREADABLE = (".numbers",)
_SECONDS = 300.0  # the largest workbooks take a minute


def sheet_names(path: Path) -> list[str]:
    """List the sheets of a workbook.

    Args:
        path: The workbook.

    Returns:
        The names of its sheets, in order.

    Raises:
        UserError: The file is not a readable workbook.
    """
    return list(_sheets(path))


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


def _rows(path: Path, sheet: str) -> list[list[str]]:
    """The cells of a sheet as stripped text, from its first row."""
    sheets = _sheets(path)
    if sheet not in sheets:
        raise unknown(f"sheet of {path}", sheet, sheets)
    return [[(field or "").strip() for field in row] for row in sheets[sheet].rows()]


def _sheets(path: Path) -> dict[str, pl.DataFrame]:
    """The sheets of a workbook, all cells as text."""
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    return _read_once(str(path.resolve()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=2)
def _read_once(path: str, size: int, modified_ns: int) -> dict[str, pl.DataFrame]:  # noqa: ARG001 - a changed file is read again
    with scratch_folder() as folder:
        try:
            process = subprocess.run(
                [sys.executable, workbook_process.__file__, path, str(folder)],
                env=os.environ | {"POLARS_MAX_THREADS": "1", "RUST_BACKTRACE": "0"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _unreadable(path, f"not read within {_SECONDS:.0f} s") from None
        if process.returncode:
            too_large = f"damaged, or more than {workbook_process.LARGEST_BYTES >> 30} GiB once opened"
            raise _unreadable(path, process.stdout.strip() or too_large)
        names = json.loads((folder / "sheets.json").read_text(encoding="utf-8"))
        return {name: pl.read_parquet(folder / f"{number}.parquet") for number, name in enumerate(names)}


def _unreadable(path: str, reason: str) -> UserError:
    return UserError(
        f"{path}: a spreadsheet workbook, which cannot be read ({reason}); in the spreadsheet program, save each sheet as "
        "CSV (in Excel: CSV UTF-8)"
    )
