"""Surveys whose questions name the recordings, as Google Forms and Qualtrics export them; and all votes in one cell."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from tests.support.wav_files import tone, write_wav

VOTES = (("joy", "fear", "joy"), ("calm", "joy", "calm"))  # of two people for three clips
EXPECTED = [(f"c{clip}", f"p{person}", VOTES[person][clip]) for clip in range(3) for person in range(2)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for clip in range(3):
        write_wav(tmp_path / "sound" / f"c{clip}.wav", tone(0.2, hz=200 + clip))
    return tmp_path


def write(path: Path, rows: list[list[str]]) -> None:
    """Cells as text, the first row as the header."""
    frame = pl.DataFrame(rows[1:], schema=rows[0], orient="row")
    if path.suffix == ".xlsx":
        frame.write_excel(path)
    else:
        frame.write_csv(path)


def votes(root: Path) -> list[tuple[str, str, str]]:
    """Clip, annotator and label of every vote."""
    data = load(root)
    audio = dict(data.utterances.select("utterance_id", "audio").rows())
    rows = data.votes.select("utterance_id", "annotator_id", "label").rows()
    return sorted((Path(audio[utterance]).stem, annotator, label) for utterance, annotator, label in rows)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize(
    "question",
    [
        "What do you hear? [{}]",
        "What do you hear? [{}.wav]",
        "How does {}.wav sound?",
        "Q7: emotion in {} (choose one)",
    ],
)
def test_questions_about_recordings(root: Path, suffix: str, question: str) -> None:
    header = ["Timestamp", "Email address", *(question.format(f"c{clip}") for clip in range(3))]
    rows = [["2026/11/27 10:00", f"p{person}", *VOTES[person]] for person in range(2)]
    write(root / f"answers{suffix}", [header, *rows])
    assert votes(root) == EXPECTED


def test_how_sure_somebody_is_may_be_asked_about_every_recording_too(root: Path) -> None:
    questions = ("How sure are you? [c{}]", "Emotion? [c{}]")
    header = ["Email address", *(question.format(clip) for clip in range(3) for question in questions)]
    rows = [
        [f"p{person}", *(cell for label in VOTES[person] for cell in ("very", label))] for person in range(2)
    ]
    write(root / "answers.csv", [header, *rows])
    assert votes(root) == EXPECTED


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_survey_s_questions_stand_below_their_numbers(root: Path, suffix: str) -> None:
    header = ["Status", "ResponseId", "Q1", "Q2", "Q3"]
    questions = [
        "Response Type",
        "Response ID",
        *(f"Which emotion do you hear in c{clip}.wav?" for clip in range(3)),
    ]
    imports = [json.dumps({"ImportId": name}) for name in header]
    answers = [["IP Address", f"p{person}", *VOTES[person]] for person in range(2)]
    write(
        root / f"survey{suffix}", [header, questions, imports, *answers, ["Survey Preview", "me", *VOTES[0]]]
    )
    data = load(root)
    assert votes(root) == EXPECTED
    assert data.rejects["reason"].to_list() == ["vote of an assignment that is left out"] * 3


def test_a_number_alone_is_no_recording(tmp_path: Path) -> None:
    for number in (1, 2):
        write_wav(tmp_path / f"{number}.wav", tone(0.2))
    write(
        tmp_path / "table.csv",
        [["file", "Rater 1", "Rater 2"], ["1.wav", "joy", "fear"], ["2.wav", "calm", "joy"]],
    )
    data = load(tmp_path)
    rows = sorted(data.votes.select("utterance_id", "annotator_id", "label").rows())
    assert [(utterance, label) for utterance, _, label in rows] == [
        ("1.wav", "joy"), ("1.wav", "fear"), ("2.wav", "calm"), ("2.wav", "joy"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("all_labels", ("joy;calm", "fear;joy", "joy;calm")),
        ("heard", ("joy|calm", "fear|joy", "joy|calm")),
        ("votes", ("joy: 1, calm: 1", "fear: 1, joy: 1", "joy: 1, calm: 1")),
        ("votes", ("joy: 1, calm: 1", "fear: 2", "calm: 2")),
        ("summary", ("joy (1); calm (1)", "fear (2)", "calm (2)")),
    ],
)
def test_all_votes_in_one_cell(root: Path, name: str, cells: tuple[str, str, str]) -> None:
    write(root / "table.csv", [["file", name], *([f"sound/c{clip}.wav", cells[clip]] for clip in range(3))])
    data = load(root)
    assert data.votes.height == 6
    assert not {label for label in data.votes["label"] if not label.isalpha()}


def test_a_question_that_names_two_recordings_is_asked_about(root: Path) -> None:
    header = ["Email address", "Is c0 happier than c1?", "Is c1 happier than c2?"]
    write(root / "answers.csv", [header, ["p0", "yes", "no"], ["p1", "no", "no"]])
    with pytest.raises(UserError):
        load(root)
