"""Workbooks of spreadsheet programs: their sheets, and a sheet's rows as text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError, unknown
from ambivox.models.ingestion import workbook_process
from ambivox.models.ingestion.delimited import header_row, text_frame
from ambivox.models.ingestion.merged_headers import find_two_rows
from ambivox.models.regular_files import check_fetched, check_regular
from ambivox.models.temporary_files import scratch_folder

READABLE = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
UNREADABLE = (".numbers",)
_SECONDS = 300.0  # the largest workbooks take a minute


class _Sheet(NamedTuple):
    """A sheet: its cells as text, whether it is hidden, how many of its rows are, and which of its columns, from 1."""

    cells: pl.DataFrame
    is_hidden: bool
    rows: int
    columns: list[int]


def sheet_names(path: Path) -> list[str]:
    """List the sheets that whoever opens a workbook sees.

    A hidden sheet is often an old copy or a list for drop-down cells: it is read only where it is named.

    Args:
        path: The workbook.

    Returns:
        The names of its sheets, in order.

    Raises:
        UserError: The file is not a readable workbook.
    """
    return [name for name, sheet in _sheets(path).items() if not sheet.is_hidden]


def hidden_sheets(path: Path) -> list[str]:
    """List the hidden sheets of a workbook that hold more than a row.

    Args:
        path: The workbook.

    Raises:
        UserError: The file is not a readable workbook.
    """
    return [name for name, sheet in _sheets(path).items() if sheet.is_hidden and sheet.cells.height > 1]


def sheet_notes(path: Path, required: Sequence[str], sheet: str | None) -> list[str]:
    """Say which sheet of a workbook is read, where there is more than one, and what is hidden.

    Args:
        path: Any table.
        required: The columns by which the sheet is chosen.
        sheet: The sheet, where it is named.

    Returns:
        The notes.
    """
    if path.suffix.lower() not in READABLE:
        return []
    chosen = choose_sheet(path, required) if sheet is None else sheet
    names = sheet_names(path)
    notes = (
        [f"{path.name}: the sheet {chosen!r} of {len(names)} is read"]
        if sheet is None and len(names) > 1
        else []
    )
    hidden = [name for name in hidden_sheets(path) if name != chosen]
    if hidden:
        notes.append(f"{path.name}: not read, because hidden: {', '.join(map(repr, hidden))}")
    return notes + _hidden_note(path, chosen)


def _hidden_note(path: Path, sheet: str) -> list[str]:
    """Say that hidden rows and columns of a sheet are read like the others.

    Args:
        path: The workbook.
        sheet: The sheet that is read.

    Returns:
        One note, or none.

    Raises:
        UserError: The file is not a readable workbook.
    """
    _, _, rows, columns = _sheets(path)[sheet]
    letters = ", ".join(map(_letters, columns))
    parts = [counted(rows, "hidden row")] if rows else []
    parts += [f"the hidden {'column' if len(columns) == 1 else 'columns'} {letters}"] if columns else []
    if not parts:
        return []
    return [f"{path.name}: {' and '.join(parts)} of the sheet {sheet!r} are read; delete what is no data"]


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
    """The cells of a sheet as stripped text, from its first row; a header of two rows as one."""
    sheets = _sheets(path)
    if sheet not in sheets:
        raise unknown(f"sheet of {path}", sheet, sheets)
    rows = [[(field or "").strip() for field in row] for row in sheets[sheet].cells.rows()]
    if (header := find_two_rows(rows)) is not None:
        rows[header.lower - 1] = []
        rows[header.lower] = header.names
    return rows


def _letters(number: int) -> str:
    """What a spreadsheet program calls a column: A, B, ..., Z, AA, ..."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _sheets(path: Path) -> dict[str, _Sheet]:
    """The sheets of a workbook, hidden ones, too."""
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    check_regular(path, "a spreadsheet workbook")
    return _read_once(str(path.resolve()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=2)
def _read_once(path: str, size: int, modified_ns: int) -> dict[str, _Sheet]:  # noqa: ARG001 - a changed file is read again
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
            check_fetched(Path(path))
            too_large = f"damaged, or more than {workbook_process.LARGEST_BYTES >> 30} GiB once opened"
            raise _unreadable(path, process.stdout.strip() or too_large)
        sheets = json.loads((folder / "sheets.json").read_text(encoding="utf-8"))
        return {
            sheet["name"]: _Sheet(
                pl.read_parquet(folder / f"{number}.parquet"),
                sheet["is_hidden"],
                sheet["rows"],
                sheet["columns"],
            )
            for number, sheet in enumerate(sheets)
        }


def _unreadable(path: str, reason: str) -> UserError:
    return UserError(
        f"{path}: a spreadsheet workbook, which cannot be read ({reason}); in the spreadsheet program, save each sheet as "
        "CSV (in Excel: CSV UTF-8)"
    )
