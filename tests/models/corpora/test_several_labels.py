"""Cells with several labels, however rare, and what annotators write beside "other"."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.corpora.table import load
from ambivox.models.ingestion.corpus import CorpusData
from tests.support.found_tables import CLIPS, RATERS, VOTES, expected, rows, votes_of, write, write_recordings

HEADER = ["file", "speaker", "rater", "emotion"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four recordings in a folder of their own."""
    write_recordings(tmp_path)
    return tmp_path


def read(root: Path, cells: dict[int, str], *, wide: bool = False) -> CorpusData:
    """The table of 12 votes, some of which have another cell; in a row per vote, or in a column per annotator."""
    labels = [cells.get(n, row[3]) for n, row in enumerate(rows())]
    quoted = [f'"{label}"' for label in labels]
    if wide:
        lines = [[f"Ton/{clip}.wav", *quoted[3 * n : 3 * n + 3]] for n, clip in enumerate(CLIPS)]
        write(root / "table.csv", ["file", *RATERS], lines)
    else:
        write(root / "table.csv", HEADER, [[*row[:3], q] for row, q in zip(rows(), quoted, strict=True)])
    return load(root)


def expecting(cells: dict[int, set[str]]) -> dict[tuple[str, str], set[str]]:
    votes = expected()
    for number, labels in cells.items():
        votes[CLIPS[number // 3], RATERS[number % 3]] = labels
    return votes


@pytest.mark.parametrize("wide", [False, True])
def test_each_cell_may_have_another_separator(root: Path, wide: bool) -> None:
    data = read(root, {0: "joy, fear", 5: "Calm/joy", 7: "fear and calm", 10: "joy;calm\nfear"}, wide=wide)
    several = {0: {"joy", "fear"}, 5: {"calm", "joy"}, 7: {"fear", "calm"}, 10: {"joy", "calm", "fear"}}
    assert votes_of(data) == expecting(several)
    assert any("4 votes have several labels" in note for note in data.notes)


@pytest.mark.parametrize("wide", [False, True])
def test_a_part_that_never_stands_alone_is_a_word_for_an_emotion(root: Path, wide: bool) -> None:
    assert votes_of(read(root, {1: "joy, contempt"}, wide=wide)) == expecting({1: {"joy", "contempt"}})


def test_a_name_of_a_class_stays_and_is_noted(root: Path) -> None:
    data = read(root, {1: "joy/tenderness", 2: "fear; calm"})
    assert votes_of(data) == expecting({1: {"joy/tenderness"}, 2: {"fear", "calm"}})
    assert any("a label that may be several, such as 'joy/tenderness'" in note for note in data.notes)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    ("texts", "label"),
    [
        (["other: bored", "Other (please specify): rather tired, I think", "other"], "other"),
        (["other - bored", "other: a feeling that I cannot put into words, in any language"], "other"),
        (["Sonstiges: müde, genervt", "Sonstiges (bitte angeben) gelangweilt", "Sonstiges"], "Sonstiges"),
        (["Autre : fatigué", "autre (préciser)", "Autre"], "Autre"),
    ],
)
def test_text_beside_other_is_other(root: Path, texts: list[str], label: str, wide: bool) -> None:
    cells = dict(zip((2, 4, 9), texts, strict=False))
    data = read(root, cells, wide=wide)
    assert votes_of(data) == expecting({n: {label} for n in cells})
    assert any(f"free text beside {label!r}" in note for note in data.notes)


@pytest.mark.parametrize("names", [("Other-positive", "Other-negative"), ("other (good)", "other (bad)")])
def test_classes_that_begin_with_other_stay(root: Path, names: tuple[str, str]) -> None:
    cells = {n: names[row[3] == "joy"] for n, row in enumerate(rows()) if row[3] != "fear"}
    assert votes_of(read(root, cells)) == expecting({n: {cell} for n, cell in cells.items()})


def test_a_single_text_beside_other_is_noted(root: Path) -> None:
    assert "'other: bored' is a label of its own" in read(root, {3: "other: bored"}).notes


def test_an_annotator_s_own_words_lose_no_column(root: Path) -> None:
    assert votes_of(read(root, {0: "wistful", 4: "meh"}, wide=True)) == expecting(
        {0: {"wistful"}, 4: {"meh"}}
    )


def test_labels_that_the_user_gave_come_first(root: Path) -> None:
    read(root, {0: "other: bored"})
    assert votes_of(load(root, labels=("calm", "fear", "joy", "other"))) == expecting({0: {"other"}})
    assert votes_of(load(root, labels=("calm", "fear", "joy", "other: bored"))) == expecting(
        {0: {"other: bored"}}
    )


@pytest.mark.parametrize("name", ["joy/other", "calm and contempt"])
def test_names_of_classes_with_a_known_part_stay(root: Path, name: str) -> None:
    data = read(root, {1: name, 5: name})
    assert votes_of(data) == expecting({1: {name}, 5: {name}})
    assert any(f"2 votes have a label that may be several, such as {name!r}" in note for note in data.notes)


def test_notes_are_no_annotator_s(root: Path) -> None:
    lines = [[f"Ton/{clip}.wav", *VOTES[n], "" if n else "joy"] for n, clip in enumerate(CLIPS)]
    write(root / "table.csv", ["file", *RATERS, "notes"], lines)
    assert votes_of(load(root)) == expected()
