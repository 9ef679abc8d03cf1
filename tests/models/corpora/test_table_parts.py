"""Tables in several parts: a file or a sheet per annotator, experiments with a file per participant, shards, and versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import xlsxwriter

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData
from ambivox.models.ingestion.mapping_file import write_mapping
from ambivox.models.ingestion.table_preview import preview

CLIPS = tuple(f"take {number}" for number in range(12))
PEOPLE = ("ida", "jon", "mia")
LABELS = ("awe", "boredom", "calm", "disgust")

Row = dict[str, str]


def label_of(person: str, clip: str) -> str:
    return LABELS[(3 * PEOPLE.index(person) + 7 * CLIPS.index(clip)) % 5 % 4]


EXPECTED = {(clip, person, label_of(person, clip)) for clip in CLIPS for person in PEOPLE}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with twelve recordings in a folder of their own."""
    (tmp_path / "takes").mkdir()
    for number, clip in enumerate(CLIPS):
        soundfile.write(
            tmp_path / f"takes/{clip}.wav", 0.1 * np.sin(np.arange(800 + 10 * number) / 9), 16_000
        )
    return tmp_path


def rows(person: str, clips: tuple[str, ...] = CLIPS) -> list[Row]:
    return [{"file": f"{clip}.wav", "emotion": label_of(person, clip)} for clip in clips]


def write_csv(path: Path, lines: list[Row]) -> None:
    path.write_text(
        "\n".join(",".join(cells) for cells in [lines[0], *(line.values() for line in lines)]) + "\n"
    )


def write_jsonl(path: Path, lines: list[Row]) -> None:
    pl.DataFrame(lines).write_ndjson(path)


def write_parquet(path: Path, lines: list[Row]) -> None:
    pl.DataFrame(lines).write_parquet(path)


def write_workbook(path: Path, lines: list[Row]) -> None:
    write_sheets(path, {"answers": lines})


def write_sheets(path: Path, sheets: dict[str, list[Row]]) -> None:
    with xlsxwriter.Workbook(path) as workbook:
        for name, lines in sheets.items():
            sheet = workbook.add_worksheet(name)
            for number, cells in enumerate([list(lines[0]), *(list(line.values()) for line in lines)]):
                sheet.write_row(number, 0, cells)


def votes_of(data: CorpusData) -> set[tuple[str, str, str]]:
    """Recording, annotator and label of every vote."""
    joined = data.votes.join(data.utterances.select("utterance_id", "audio"), on="utterance_id")
    assert joined.height == data.votes.height
    return {
        (Path(audio).stem, who, label)
        for audio, who, label in joined.select("audio", "annotator_id", "label").rows()
    }


WRITERS: list[tuple[str, Callable[[Path, list[Row]], None]]] = [
    ("csv", write_csv),
    ("jsonl", write_jsonl),
    ("parquet", write_parquet),
    ("xlsx", write_workbook),
]


@pytest.mark.parametrize(("suffix", "write"), WRITERS)
def test_a_file_per_annotator(root: Path, suffix: str, write: Callable[[Path, list[Row]], None]) -> None:
    for person in PEOPLE:
        write(root / f"{person}.{suffix}", rows(person))
    assert votes_of(load(root)) == EXPECTED


def test_a_sheet_per_annotator(root: Path) -> None:
    write_sheets(root / "ratings.xlsx", {person: rows(person) for person in PEOPLE})
    assert votes_of(load(root)) == EXPECTED
    assert votes_of(load(root / "ratings.xlsx")) == EXPECTED


def test_sheets_beside_another_one(root: Path) -> None:
    described = [{"file": f"{clip}.wav", "speaker": clip[-1]} for clip in CLIPS]
    sheets = {f"Rater {person}": rows(person) for person in PEOPLE}
    write_sheets(root / "all.xlsx", {"recordings": described, **sheets})
    data = load(root)
    assert votes_of(data) == {(clip, f"Rater {person}", label) for clip, person, label in EXPECTED}
    assert data.utterances["speaker"].to_list() == [clip[-1] for clip in CLIPS]


def test_annotators_of_a_part_of_the_clips_each(root: Path) -> None:
    parts = {"ida": CLIPS[:8], "jon": CLIPS[4:], "mia": CLIPS[2:10]}
    for person, clips in parts.items():
        write_csv(root / f"{person}.csv", rows(person, clips))
    assert votes_of(load(root)) == {vote for vote in EXPECTED if vote[0] in parts[vote[1]]}


def test_a_file_per_participant_that_names_the_participant(root: Path) -> None:
    for number, person in enumerate(PEOPLE):
        lines = [{"trial": str(n), **row, "participant": person} for n, row in enumerate(rows(person))]
        write_csv(root / f"00{number}_emotion_2026-03-0{number}_10h{number}2.csv", lines)
    assert votes_of(load(root)) == EXPECTED


@pytest.mark.parametrize(("suffix", "write"), WRITERS)
def test_shards_of_one_table(root: Path, suffix: str, write: Callable[[Path, list[Row]], None]) -> None:
    lines = [{**row, "rater": person} for clip in CLIPS for person in PEOPLE for row in rows(person, (clip,))]
    for number in range(4):
        write(root / f"data-0000{number}-of-00004.{suffix}", lines[9 * number : 9 * number + 9])
    assert votes_of(load(root)) == EXPECTED


def test_more_files_than_a_person_would_list(root: Path) -> None:
    for number in range(40):
        write_csv(
            root / f"p{number}.csv", rows(PEOPLE[number % 3], (CLIPS[number % 12], CLIPS[(number + 5) % 12]))
        )
    assert load(root).votes.height == 80


def test_votes_in_files_beside_a_table_of_utterances(root: Path) -> None:
    write_csv(root / "recordings.csv", [{"file": f"{clip}.wav", "speaker": clip[-1]} for clip in CLIPS])
    for person in PEOPLE:
        write_csv(root / f"ratings_{person}.csv", rows(person))
    data = load(root)
    assert votes_of(data) == {(clip, f"ratings_{person}", label) for clip, person, label in EXPECTED}
    assert data.utterances["speaker"].null_count() == 0


def test_files_that_are_called_like_splits(root: Path) -> None:
    for name, clips in (("train", CLIPS[:6]), ("dev", CLIPS[6:9]), ("test", CLIPS[9:])):
        lines = [{**row, "rater": person} for person in PEOPLE for row in rows(person, clips)]
        write_csv(root / f"{name}.csv", lines)
    data = load(root)
    assert votes_of(data) == EXPECTED
    assert data.utterances["split"].to_list() == ["development"] * 3 + ["test"] * 3 + ["train"] * 6


def test_the_mapping_reads_what_was_added_since(root: Path) -> None:
    for person in PEOPLE[:2]:
        write_csv(root / f"{person}.csv", rows(person))
    write_mapping(root, preview(root, {}).settings)
    write_csv(root / "mia.csv", rows("mia"))
    assert votes_of(load(root)) == EXPECTED


def test_versions_of_a_table_are_not_added_up(root: Path) -> None:
    lines = [{**row, "rater": person} for person in PEOPLE for row in rows(person)]
    write_csv(root / "ratings.csv", lines)
    write_csv(root / "ratings (1).csv", [*lines[:-1], {**lines[-1], "emotion": "awe"}])
    with pytest.raises(
        UserError, match=r"ratings \(1\)\.csv and ratings\.csv hold the same rows; remove one"
    ):
        load(root)
    assert votes_of(load(root, utterances="ratings.csv")) == EXPECTED


def test_no_pattern_for_some_of_the_files(root: Path) -> None:
    for name, person in (("a", "ida"), ("c", "mia")):
        write_csv(root / f"{name}.csv", rows(person))
    write_csv(root / "b.csv", [{"room": "1", "microphone": "near"}])
    with pytest.raises(
        UserError, match=r"a\.csv, c\.csv have the same columns, but no pattern names these alone"
    ):
        load(root)


def test_other_columns_in_a_part_that_a_pattern_names(root: Path) -> None:
    write_csv(root / "r1.csv", rows("ida"))
    write_csv(root / "r2.csv", [{**row, "mood": "x"} for row in rows("jon")])
    with pytest.raises(UserError, match=r"r2\.csv: the columns of 'r2' are not those of 'r1' \(mood\)"):
        load(root, utterances="r*.csv", utterance="file", audio="file", label="emotion", annotator="table")
    with pytest.raises(UserError, match=r"q\*\.csv: no file has such a name"):
        load(root, utterances="q*.csv")


def test_a_reject_names_its_own_file_and_line(root: Path) -> None:
    for person in PEOPLE:
        lines = [{**row, "AssignmentStatus": "Approved"} for row in rows(person)]
        write_csv(root / f"{person}.csv", lines)
    lines[4]["AssignmentStatus"] = "Rejected"
    write_csv(root / "mia.csv", lines)
    data = load(root)
    assert sorted(data.votes["line"].unique()) == list(range(2, 14))
    rejects = data.rejects.select("file", "line").unique().rows()
    assert rejects == [(str(root / "mia.csv"), 6)]


def test_an_error_names_its_own_file_and_line(root: Path) -> None:
    counts = [{"file": f"{clip}.wav", "awe": "1", "calm": "2"} for clip in CLIPS]
    write_csv(root / "x.csv", counts[:6])
    counts[8]["calm"] = "two"
    write_csv(root / "y.csv", counts[6:])
    with pytest.raises(UserError, match=r"y\.csv:4: calm is 'two'"):
        load(root, utterances="*.csv", utterance="file", audio="file", shape="counts", labels=("awe", "calm"))


def test_a_codebook_beside_the_votes_is_no_table_of_votes(root: Path) -> None:
    lines = [
        {"stimulus": clip, "listener": person, "answer": label} for clip, person, label in sorted(EXPECTED)
    ]
    codebook = [{"code": str(number), "emotion": label} for number, label in enumerate(LABELS)]
    write_sheets(root / "study.xlsx", {"codebook": codebook, "data": lines})
    assert votes_of(load(root)) == EXPECTED
