"""What stands in tables beside votes: totals, repeated headers, merged cells, pivot tables; each is known or asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from tests.support.found_tables import CLIPS, RATERS, VOTES, expected, rows, votes_of, write, write_recordings

HEADER = ["file", "speaker", "rater", "emotion"]
WIDE = [[f"Ton/{clip}.wav", *votes] for clip, votes in zip(CLIPS, VOTES, strict=True)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four recordings in a folder of their own."""
    write_recordings(tmp_path)
    return tmp_path


@pytest.mark.parametrize("total", [["Total", "", "", "12"], ["Summe", "", "kim", "n = 12"]])
def test_a_total_below_the_votes_adds_no_label(root: Path, total: list[str]) -> None:
    write(root / "table.csv", HEADER, [*rows(), total])
    data = load(root)
    assert data.labels == ("calm", "fear", "joy")
    assert {key: labels for key, labels in votes_of(data).items() if key[0] in CLIPS} == expected()


def test_a_header_that_is_repeated_is_no_vote(root: Path) -> None:
    write(root / "table.csv", HEADER, [*rows()[:5], HEADER, *rows()[5:]])
    assert votes_of(load(root)) == expected()
    write(root / "table.csv", ["file", *RATERS], [*WIDE[:2], ["file", *RATERS], *WIDE[2:]])
    assert votes_of(load(root)) == expected()


@pytest.mark.parametrize(("place", "name"), [(0, "file"), (2, "rater")])
def test_cells_that_are_merged_are_asked_about(root: Path, place: int, name: str) -> None:
    lines = sorted(rows(), key=lambda row: row[place])
    emptied = [
        [
            "" if at == place and n and lines[n - 1][place] == row[place] else cell
            for at, cell in enumerate(row)
        ]
        for n, row in enumerate(lines)
    ]
    write(root / "table.csv", HEADER, emptied)
    with pytest.raises(
        UserError, match=rf"'{name}' is empty in \d+ of 12 rows with a label: if it means the cell above"
    ):
        load(root)


def test_columns_without_a_name_are_no_annotators(root: Path) -> None:
    counts = [
        [f"Ton/{clip}.wav", *(str(votes.count(x)) for x in ("calm", "fear", "joy"))]
        for clip, votes in zip(CLIPS, VOTES, strict=True)
    ]
    lines = [["Row Labels", "calm", "fear", "joy"], *counts]
    write(root / "table.csv", ["Count of rater", "Column Labels", "", ""], lines)
    with pytest.raises(UserError, match="Column Labels"):
        load(root)


@pytest.mark.parametrize(
    "header",
    [
        ["bestand", "spreker", "beoordelaar", "emotie"],
        ["Plik", "speaker", "Oceniający", "Emocja"],
        ["Dosya", "speaker", "Değerlendirici", "Duygu"],
        ["Файл", "Диктор", "Эксперт", "Эмоция"],
        ["audio", "speaker", "Participant Private ID", "Response"],
    ],
)
def test_annotators_in_further_languages_and_tools(root: Path, header: list[str]) -> None:
    write(root / "table.csv", header, rows())
    assert votes_of(load(root)) == expected()


@pytest.mark.parametrize("form", ["{} ({})", "{}: {}", "{} {}/5", "{} - {}"])
def test_labels_that_end_with_an_intensity_are_asked_about(root: Path, form: str) -> None:
    lines = [[*row[:3], form.format(row[3], n % 3 + 1)] for n, row in enumerate(rows())]
    write(root / "table.csv", HEADER, lines)
    with pytest.raises(UserError, match="labels in 'emotion' end with numbers"):
        load(root)
    assert len(load(root, label="emotion").labels) > 3


def test_classes_with_a_number_stay(root: Path) -> None:
    write(root / "table.csv", HEADER, [[*row[:3], f"{row[3]} ({len(row[3])})"] for row in rows()])
    assert load(root).labels == ("calm (4)", "fear (4)", "joy (3)")


def test_several_rows_of_an_annotator_are_noted(root: Path) -> None:
    lines = [*([*row, "2025-03-01"] for row in rows()), [*rows()[0][:3], "calm", "2025-03-09"]]
    write(root / "table.csv", [*HEADER, "date"], lines)
    data = load(root)
    assert votes_of(data)["vera 1", "kim"] == {"joy", "calm"}
    (note,) = (each for each in data.notes if "several rows" in each)
    assert note.startswith(
        "1 vote is shared by different labels in several rows of one annotator, such as 'kim' on 'Ton/vera 1.wav': dates are "
    )


def test_a_label_twice_in_a_cell_is_one(root: Path) -> None:
    write(root / "table.csv", HEADER, [[*rows()[0][:3], "joy; joy"], *rows()[1:]])
    assert votes_of(load(root)) == expected()
