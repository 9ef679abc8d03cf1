"""Hidden sheets, rows and columns of workbooks: what nobody sees is no vote without a word."""

from __future__ import annotations

import zipfile
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


def ods(path: Path, sheets: dict[str, str]) -> None:
    """A workbook of LibreOffice, with what its sheets hold as XML."""
    tables = "".join(
        f'<table:table table:name="{name}">{content}</table:table>' for name, content in sheets.items()
    )
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr(
            "content.xml",
            f'<?xml version="1.0"?><office:document-content {names}>{body}</office:document-content>',
        )


def ods_row(cells: list[str], attributes: str = "") -> str:
    texts = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
        for cell in cells
    )
    return f"<table:table-row{attributes}>{texts}</table:table-row>"


@pytest.mark.parametrize("visibility", ["collapse", "filter", "visible"])
def test_hidden_rows_and_columns_of_libreoffice_are_named(root: Path, visibility: str) -> None:
    hidden = f'table:visibility="{visibility}"'
    lines = [
        ods_row(line, f" {hidden}" if place in (1, 2) else "") for place, line in enumerate([HEADER, *rows()])
    ]
    columns = f'<table:table-column/><table:table-column {hidden} table:number-columns-repeated="2"/><table:table-column/>'
    rest = f'<table:table-row {hidden} table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
    ods(root / "table.ods", {"a &lt;b&gt;": columns + "".join(lines) + rest})
    data = load(root)
    assert votes_of(data) == expected()
    notes = [note for note in data.notes if "hidden" in note]
    expected_note = "table.ods: 2 hidden rows and the hidden columns B, C of the sheet 'a <b>' are read; delete what is no data"
    assert notes == ([] if visibility == "visible" else [expected_note])


@pytest.mark.parametrize("number", ["-3", "x", "9" * 5000, "99999999999999999999"])
def test_numbers_of_hidden_rows_that_cannot_be_lose_no_row(root: Path, number: str) -> None:
    lines = "".join(ods_row(line) for line in [HEADER, *rows()])
    hidden = f'<table:table-column table:visibility="collapse" table:number-columns-repeated="{number}"/>'
    ods(root / "table.ods", {"votes": hidden + lines, "empty": ""})
    assert votes_of(load(root)) == expected()
