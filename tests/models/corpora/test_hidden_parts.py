"""Hidden sheets, rows and columns of workbooks: what nobody sees is no vote without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
import xlsxwriter

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.table_preview import preview
from tests.support.found_tables import CLIPS, RATERS, VOTES, expected, rows, votes_of, write_recordings

HEADER = ["file", "speaker", "rater", "emotion"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four recordings in a folder of their own."""
    write_recordings(tmp_path)
    return tmp_path


def workbook(path: Path, sheets: dict[str, list[list[str]]], hidden: tuple[str, ...], *, very: bool) -> None:
    """A workbook of which some sheets are hidden, perhaps so that the menu does not show them."""
    book = xlsxwriter.Workbook(str(path))
    for name, lines in sheets.items():
        sheet = book.add_worksheet(name)
        for number, line in enumerate(lines):
            sheet.write_row(number, 0, line)
        if name not in hidden:
            sheet.activate()
            sheet.set_first_sheet()
        elif very:
            sheet.very_hidden()
        else:
            sheet.hide()
    book.close()


def old_copy() -> list[list[str]]:
    return [HEADER, *([*row[:3], "anger"] for row in rows())]


@pytest.mark.parametrize("very", [False, True])
@pytest.mark.parametrize("names", [("Votes", "old"), ("old", "Votes")])
def test_an_old_copy_that_is_hidden_is_not_read(root: Path, names: tuple[str, str], very: bool) -> None:
    sheets = {name: old_copy() if name == "old" else [HEADER, *rows()] for name in names}
    workbook(root / "table.xlsx", sheets, ("old",), very=very)
    data = load(root)
    assert votes_of(data) == expected()
    assert "table.xlsx: not read, because hidden: 'old'" in data.notes


def test_usual_names_do_not_open_a_hidden_sheet(root: Path) -> None:
    header = ["utterance_id", "audio", "annotator_id", "label"]
    lines = [[row[0][4:-4], row[0], *row[2:]] for row in rows()]
    sheets = {"old": [header, *([*line[:3], "anger"] for line in lines)], "new": [header, *lines]}
    workbook(root / "utterances.xlsx", sheets, ("old",), very=False)
    assert votes_of(load(root)) == expected()


def test_where_only_a_hidden_sheet_fits_it_is_named(root: Path) -> None:
    sheets = {"clips": [["file"], *([f"Ton/{clip}.wav"] for clip in CLIPS)], "raw": [HEADER, *rows()]}
    workbook(root / "table.xlsx", sheets, ("raw",), very=False)
    with pytest.raises(
        UserError, match=r"hidden sheets, which are not read \('raw' of table\.xlsx\): show the sheet"
    ):
        load(root)
    assert votes_of(load(root, votes_sheet="raw")) == expected()


@pytest.mark.parametrize("lines", [[], [["only a title"]]])
def test_where_the_visible_sheet_is_empty_the_hidden_one_is_named(root: Path, lines: list[list[str]]) -> None:
    workbook(root / "table.xlsx", {"Sheet1": lines, "raw": [HEADER, *rows()]}, ("raw",), very=True)
    with pytest.raises(UserError, match="except in hidden sheets, which are not read"):
        preview(root, {})
    assert votes_of(load(root, sheet="raw")) == expected()


def test_sheets_of_raters_without_a_hidden_one(root: Path) -> None:
    sheets = {
        rater: [["file", "emotion"], *([f"Ton/{clip}.wav", VOTES[n][place]] for n, clip in enumerate(CLIPS))]
        for place, rater in enumerate(RATERS)
    }
    sheets["nina"] = [["file", "emotion"], *([f"Ton/{clip}.wav", "fear"] for clip in CLIPS)]
    workbook(root / "table.xlsx", sheets, ("nina",), very=False)
    data = load(root)
    assert votes_of(data) == expected()
    assert any("'nina'" in note for note in data.notes)


def test_hidden_rows_and_columns_are_named(root: Path) -> None:
    book = xlsxwriter.Workbook(str(root / "table.xlsx"))
    sheet = book.add_worksheet("a <b> & c")
    for number, line in enumerate([HEADER, *rows()]):
        sheet.write_row(number, 0, line)
    for number in (2, 5, 300):  # the last one holds nothing
        sheet.set_row(number, None, None, {"hidden": True})
    sheet.set_column(1, 2, None, None, {"hidden": True})
    book.close()
    data = load(root)
    assert votes_of(data) == expected()
    assert (
        "table.xlsx: 2 hidden rows and the hidden columns B, C of the sheet 'a <b> & c' are read; delete what is no data"
        in data.notes
    )
