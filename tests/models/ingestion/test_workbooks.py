"""Workbooks that are damaged, or that were made to fill memory or to crash the library: one line."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from ambivox.models.errors import UserError
from ambivox.models.ingestion import workbooks
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.workbook_process import main
from ambivox.models.ingestion.workbooks import read_sheet, sheet_names

LAST_ROW, LAST_COLUMN = 1_048_575, 16_383


def workbook(path: Path, row: int, column: int) -> Path:
    """A header, a row, and a cell somewhere else."""
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet("votes")
    for number, name in enumerate(("utterance_id", "label")):
        sheet.write(0, number, name)
        sheet.write(1, number, "x")
    sheet.write(row, column, "far away")
    book.close()
    return path


def repacked(path: Path, content: bytes) -> Path:
    """The same workbook with another sheet."""
    source = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, content if name == "xl/worksheets/sheet1.xml" else old.read(name))
    return path


def test_a_cell_in_the_last_corner_ends_in_one_line(tmp_path: Path) -> None:
    path = workbook(tmp_path / "votes.xlsx", LAST_ROW, LAST_COLUMN)
    assert path.stat().st_size < 10_000
    with pytest.raises(
        UserError, match=r"votes\.xlsx: a spreadsheet workbook, which cannot be read \(.*more than 6 GiB once"
    ):
        sheet_names(path)


def test_zeros_that_were_packed_end_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = repacked(workbook(tmp_path / "votes.xlsx", 2, 1), b"<worksheet><sheetData>" + b" " * 50_000_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match="a spreadsheet workbook, which cannot be read") as caught:
        sheet_names(path)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(workbooks, "_SECONDS", 0.01)
    with pytest.raises(UserError, match=r"not read within"):
        sheet_names(workbook(tmp_path / "slow.xlsx", 2, 1))


def test_many_cells_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workbook(tmp_path / "votes.xlsx", 300, 30)
    monkeypatch.setattr("ambivox.models.ingestion.workbook_process.MOST_CELLS", 1000)
    assert main(str(path), str(tmp_path)) == 1
    assert capsys.readouterr().out == "more than 1,000 cells\n"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", bytes(1000)])
def test_damage_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "votes.xlsx"
    path.write_bytes(content)
    with pytest.raises(UserError, match="which cannot be read") as caught:
        read_sheet(path, ["label"])
    assert "\n" not in str(caught.value)


def test_a_sheet_that_is_changed_is_read_again(tmp_path: Path) -> None:
    for row in (2, 5):
        path = workbook(tmp_path / "votes.xlsx", row, 1)
        assert read_sheet(path, ["label"])[LINE].to_list() == [2, row + 1]


def test_a_sheet_whose_first_rows_are_blank_is_one_line(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "t.xlsx") as book:
        for name in ("first", "second"):
            sheet = book.add_worksheet(name)
            sheet.write(0, 0, " ")
            sheet.write(60, 0, "late")
    with pytest.raises(UserError, match=r"t\.xlsx"):
        read_sheet(tmp_path / "t.xlsx", ["label"])
