"""Headers of two rows: the raters in merged cells, and what they were asked below."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import xlsxwriter

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.table_preview import preview
from tests.support.found_tables import CLIPS, RATERS, VOTES, expected, votes_of, write_recordings

NAMES = ["Kim", "Lou", "Max"]
SURE = ["3", "5", "4"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four recordings in a folder of their own."""
    write_recordings(tmp_path)
    return tmp_path


def save(root: Path, form: str, upper: list[str], lower: list[str], cells: list[list[str]]) -> Path:
    """Save a header of two rows, with merged cells in a workbook, and a row per clip."""
    lines = [upper, lower, *([f"Ton/{clip}.wav", *row] for clip, row in zip(CLIPS, cells, strict=True))]
    if form == "xlsx":
        path = root / "table.xlsx"
        book = xlsxwriter.Workbook(str(path))
        sheet = book.add_worksheet()
        for number, line in enumerate(lines):
            sheet.write_row(number, 0, line)
        places = [place for place, name in enumerate(upper) if name and place]
        for first, following in zip(places, [*places[1:], len(upper)], strict=True):
            if following - first > 1:
                sheet.merge_range(0, first, 0, following - 1, upper[first])
        book.close()
        return path
    path = root / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";" if form == "semicolon" else ",").writerows(lines)
    return path


def named(names: list[str]) -> dict[tuple[str, str], set[str]]:
    return {(clip, names[RATERS.index(rater)]): labels for (clip, rater), labels in expected().items()}


def in_turn(row: tuple[str, ...]) -> list[str]:
    return [cell for pair in zip(row, SURE, strict=True) for cell in pair]


@pytest.mark.parametrize("form", ["csv", "semicolon", "xlsx"])
@pytest.mark.parametrize(
    "names", [NAMES, ["Rater 1", "Rater 2", "Rater 3"], ["Bewerter 1", "Bewerter 2", "Bewerter 3"]]
)
@pytest.mark.parametrize("first", [("", "clip"), ("File", ""), ("Clip", "file")])
def test_raters_above_and_questions_below(
    root: Path, form: str, names: list[str], first: tuple[str, str]
) -> None:
    upper = [first[0], *(cell for name in names for cell in (name, ""))]
    save(root, form, upper, [first[1], *["emotion", "confidence"] * 3], [in_turn(row) for row in VOTES])
    assert votes_of(load(root)) == named(names)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_questions_above_and_raters_below(root: Path, form: str) -> None:
    upper = ["", "Emotion", "", "", "Confidence", "", ""]
    save(root, form, upper, ["file", *NAMES, *NAMES], [[*row, *SURE] for row in VOTES])
    assert votes_of(load(root)) == named(NAMES)


def test_a_table_of_a_question_each(root: Path) -> None:
    save(
        root,
        "csv",
        ["", *NAMES, ""],
        ["file", "emotion", "emotion", "emotion", "notes"],
        [[*r, "-"] for r in VOTES],
    )
    assert votes_of(load(root)) == named(NAMES)


def test_lines_are_those_of_the_file(root: Path) -> None:
    path = save(root, "csv", ["", *NAMES], ["file", *["emotion"] * 3], [list(row) for row in VOTES])
    assert sorted(set(load(root).votes["line"])) == [3, 4, 5, 6]
    path.write_text("Listening test\n\n" + path.read_text())
    assert sorted(set(load(root).votes["line"])) == [5, 6, 7, 8]


def test_labels_in_columns_of_each_rater_are_asked_about(root: Path) -> None:
    labels = ["joy", "fear", "calm"]
    cells = [[str(int(vote == label)) for vote in row for label in labels] for row in VOTES]
    upper = ["", *(cell for name in NAMES for cell in (name, "", ""))]
    save(root, "csv", upper, ["file", *labels * 3], cells)
    with pytest.raises(UserError, match=r"'Kim joy', 'Lou joy', 'Max joy' are named after one emotion"):
        load(root)


def test_data_is_no_second_row_of_a_header(root: Path) -> None:
    """Raters who agree in the first row repeat its cells below empty names."""
    cells = [["joy", "sure", "joy", "sure"], ["fear", "sure", "joy", "unsure"], ["joy", "-", "fear", "sure"]]
    save(
        root, "csv", ["file", "Rater 1", "", "Rater 2", ""], ["Ton/vera 1.wav", *cells[0]], [*cells, cells[1]]
    )
    assert "table.csv: 5 rows; columns file, Rater 1, , Rater 2, _duplicated_0" in preview(root, {}).lines


@pytest.mark.parametrize("form", ["csv", "semicolon", "xlsx"])
@pytest.mark.parametrize(
    "upper", [["", "Emotion", "", ""], ["", "Votes of the raters", "", ""], ["Clips", "Emotion", "", ""]]
)
def test_one_cell_above_all_raters(root: Path, form: str, upper: list[str]) -> None:
    save(root, form, upper, ["file", *RATERS], [list(row) for row in VOTES])
    assert votes_of(load(root)) == expected()


def test_an_index_without_a_name_is_no_second_header(root: Path) -> None:
    save(
        root,
        "csv",
        ["", "rater", "emotion"],
        ["Ton/vera 1.wav", "kim", "joy"],
        [["lou", vote[0]] for vote in VOTES],
    )
    assert "table.csv: 5 rows; columns , rater, emotion" in preview(root, {}).lines
