"""Columns, rows and sheets that resemble votes, annotators or ids: read as what they are, or asked about."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ambivox.flows.commands.table import table
from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.proposal import propose
from ambivox.models.ingestion.proposed_options import Proposal
from ambivox.models.ingestion.table_files import list_sources
from tests.support.found_tables import CLIPS, RATERS, VOTES, expected, rows, votes_of, write, write_recordings

MEANT = dict(zip(CLIPS, ("joy", "calm", "fear", "joy"), strict=True))
# Beside every vote: what was meant by the speaker, and an order in which nothing is constant.
BESIDE = [(row, MEANT[CLIPS[place // len(RATERS)]]) for place, row in enumerate(rows())]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_recordings(tmp_path)
    return tmp_path


def _proposed(root: Path) -> Proposal:
    return propose(list_sources(root, {}).sources, {})


@pytest.mark.parametrize(
    ("meant", "heard"),
    [
        ("intended_emotion", "perceived"),
        ("emotion", "response"),  # the acted one has the better name
        ("category", "heard"),
        ("Target emotion", "emotion"),
        ("class", "felt"),
    ],
)
def test_what_is_the_same_for_all_raters_is_no_vote(root: Path, meant: str, heard: str) -> None:
    lines = [[audio, meaning, rater, label] for (audio, _, rater, label), meaning in BESIDE]
    write(root / "a.csv", ["file", meant, "listener", heard], lines)
    assert votes_of(load(root)) == expected()


def test_raters_who_never_disagree_are_asked_about(root: Path) -> None:
    lines = [
        [f"Ton/{CLIPS[clip % 4]}.wav", str(clip // 4), "9", rater, "joy"]
        for clip in range(12)
        for rater in RATERS
    ]
    write(root / "a.csv", ["file", "start", "end", "rater", "emotion"], lines)
    assert any("is the same in all rows of a recording" in doubt for doubt in _proposed(root).doubts)


def test_another_column_with_emotions_is_asked_about(root: Path) -> None:
    kind = {"joy": "positive", "fear": "negative", "calm": "even"}
    lines = [[audio, rater, kind[label], label] for audio, _, rater, label in rows()]
    write(root / "a.csv", ["file", "rater", "sentiment", "perceived_emotion"], lines)
    assert "'sentiment' or 'perceived_emotion'" in _proposed(root).doubts[0]


@pytest.mark.parametrize("result", ["Intention", "Agreed", "majority", "gold standard", "Konsens consensus"])
def test_results_beside_raters_are_no_raters(root: Path, result: str) -> None:
    lines = [[f"Ton/{clip}.wav", MEANT[clip], *votes] for clip, votes in zip(CLIPS, VOTES, strict=True)]
    write(root / "a.csv", ["file", result, *RATERS], lines)
    assert votes_of(load(root)) == expected()


def test_a_row_or_sheet_of_results_is_asked_about(root: Path) -> None:
    header = ["annotator", *CLIPS]
    write(
        root / "a.csv",
        header,
        [[rater, *votes] for rater, votes in zip(RATERS, zip(*VOTES, strict=True), strict=True)],
    )
    assert votes_of(load(root)) == expected()
    (root / "a.csv").unlink()
    for number, name in enumerate((*RATERS, "Consensus")):
        lines = [[f"Ton/{clip}.wav", votes[number % 3]] for clip, votes in zip(CLIPS, VOTES, strict=True)]
        write(root / f"{name}.csv", ["file", "emotion"], lines)
    assert any("the table 'Consensus' may be no annotator's" in doubt for doubt in _proposed(root).doubts)


def _pairs(line: Sequence[str]) -> list[str]:
    return [cell for rater, label in zip(RATERS, line, strict=True) for cell in (rater, label)]


@pytest.mark.parametrize(
    ("header", "cells", "said"),
    [
        (
            ["annotator_1", "label_1", "annotator_2", "label_2", "annotator_3", "label_3"],
            _pairs,
            "who gave the labels",
        ),
        (
            ["kim_joy", "kim_fear", "lou_joy", "lou_fear"],
            lambda line: [str(int(line[r] == label)) for r in (0, 1) for label in ("joy", "fear")],
            "named after one emotion",
        ),
    ],
)
def test_names_and_labels_in_one_header_are_asked_about(
    root: Path, header: list[str], cells: Callable[[Sequence[str]], list[str]], said: str
) -> None:
    lines = [[f"Ton/{clip}.wav", *cells(votes)] for clip, votes in zip(CLIPS, VOTES, strict=True)]
    write(root / "a.csv", ["file", *header], lines)
    assert any(said in doubt for doubt in _proposed(root).doubts)


def test_numbered_columns_with_emotions_come_first(root: Path) -> None:
    lines = [
        [f"Ton/{clip}.wav", *("high", "low", "high"), *votes]
        for clip, votes in zip(CLIPS, VOTES, strict=True)
    ]
    numbers = ("1", "2", "3")
    header = ["file", *(f"arousal_{n}" for n in numbers), *(f"emotion_{n}" for n in numbers)]
    write(root / "a.csv", header, lines)
    assert set(votes_of(load(root))) == {(clip, f"emotion_{n}") for clip in CLIPS for n in numbers}


def test_a_header_that_repeats_a_name_loses_no_rater(root: Path) -> None:
    lines = [
        [f"Ton/{clip}.wav", *(cell for label in votes for cell in (label, "3"))]
        for clip, votes in zip(CLIPS, VOTES, strict=True)
    ]
    for name in ("emotion", "label"):
        write(root / "a.csv", ["file", *(name, "sure") * 3], lines)
        assert len(votes_of(load(root))) == 12


def test_counts_of_labels_that_are_no_common_words(root: Path) -> None:
    lines = [
        [f"Ton/{clip}.wav", *counts]
        for clip, counts in zip(CLIPS, ("1020", "0300", "1110", "0021"), strict=True)
    ]
    write(
        root / "a.csv", ["file", "joy", "fear", "unsure", "tension"], [[line[0], *line[1:]] for line in lines]
    )
    assert set(load(root).labels) == {"joy", "fear", "unsure", "tension"}  # three votes on every recording
    lines[0][1] = "2"
    write(root / "a.csv", ["file", "joy", "fear", "unsure", "tension"], lines)
    assert "'unsure', 'tension' may be labels, too" in _proposed(root).doubts[0]


def test_degrees_of_several_people_are_asked_about(root: Path) -> None:
    lines = [[f"Ton/{clip}.wav", person, "5", "1"] for clip in CLIPS for person in ("14", "92")]
    write(root / "a.csv", ["file", "study", "joy", "fear"], lines)
    assert any("'file' has several rows of numbers of votes" in doubt for doubt in _proposed(root).doubts)


@pytest.mark.parametrize("shares", [("50", "50"), ("33", "66"), ("50", "51")])
def test_percent_are_no_counts(root: Path, shares: tuple[str, str]) -> None:
    lines = [[f"Ton/{clip}.wav", *each] for clip, each in zip(CLIPS, (shares, ("25", "75")) * 2, strict=True)]
    write(root / "a.csv", ["file", "joy", "fear"], lines)
    with pytest.raises(UserError, match="hold shares; write numbers of votes"):
        load(root)


@pytest.mark.parametrize(("joy", "is_told"), [(50, True), (49, True), (45, False)])
def test_numbers_that_look_like_percent_and_are_called_counts_are_read_with_a_note(
    root: Path, joy: int, *, is_told: bool
) -> None:
    write(root / "a.csv", ["file", "joy", "fear"], [[f"Ton/{clip}.wav", str(joy), "50"] for clip in CLIPS])
    data = load(
        root, utterances="a.csv", audio="file", utterance="file", shape="counts", labels=("joy", "fear")
    )
    assert data.votes.height == len(CLIPS) * (joy + 50)
    assert any("if they are percent" in note for note in data.notes) == is_told


def test_how_an_annotator_feels_today_is_no_count(root: Path) -> None:
    lines = [[audio, rater, label, "1", "0"] for audio, _, rater, label in rows()]
    write(root / "a.csv", ["file", "rater", "emotion", "happy_today", "angry_today"], lines)
    assert votes_of(load(root)) == expected()


def test_the_annotator_is_who_has_a_recording_once(root: Path) -> None:
    lines = [[audio, speaker, rater, label] for audio, speaker, rater, label in rows()]
    write(root / "a.csv", ["file", "user_id", "rated_by", "emotion"], lines)
    assert votes_of(load(root)) == expected()
    write(root / "a.csv", ["file", "user_id", "person", "emotion"], lines)
    assert any("it may be the speaker" in doubt for doubt in _proposed(root).doubts)


@pytest.mark.parametrize(
    "cell",
    [
        lambda votes: "; ".join(f"{rater}: {label}" for rater, label in zip(RATERS, votes, strict=True)),
        lambda votes: "; ".join(f"{label}: {votes.count(label)}" for label in sorted(set(votes))),
        lambda votes: "; ".join(f"{label} ({votes.count(label)})" for label in sorted(set(votes))),
    ],
)
def test_names_and_numbers_in_a_cell(root: Path, cell: Callable[[Sequence[str]], str]) -> None:
    lines = [[f"Ton/{clip}.wav", cell(votes)] for clip, votes in zip(CLIPS, VOTES, strict=True)]
    write(root / "a.csv", ["file", "labels"], lines)
    data = load(root)
    assert set(data.labels) == {"joy", "fear", "calm"} and data.votes.height == 12
    if ":" in lines[0][1] and "kim" in lines[0][1]:
        assert votes_of(data) == expected()


def test_answers_of_people_beside_a_suggestion(root: Path) -> None:
    lines = [
        {
            "id": f"r{number}",
            "audio": f"Ton/{clip}.wav",
            "mood.responses": list(votes),
            "mood.responses.users": list(RATERS),
            "mood.responses.status": ["submitted"] * len(RATERS),
            "mood.suggestion": "joy",
        }
        for number, (clip, votes) in enumerate(zip(CLIPS, VOTES, strict=True))
    ]
    (root / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert votes_of(load(root)) == expected()


def test_codes_of_a_survey_with_a_column_per_clip_are_asked_about(root: Path) -> None:
    codes = {"joy": "1", "fear": "2", "calm": "3"}
    lines = [[rater, *(codes[votes[place]] for votes in VOTES)] for place, rater in enumerate(RATERS)]
    write(root / "a.csv", ["participant", *CLIPS], lines)
    assert "are numbers (1, 2, 3)" in _proposed(root).doubts[0]
    # A column beside that of a recording holds something else.
    lines = [
        [rater, *(cell for votes in VOTES for cell in (votes[place], "4"))]
        for place, rater in enumerate(RATERS)
    ]
    write(root / "a.csv", ["participant", *(name for clip in CLIPS for name in (f"{clip}.wav", clip))], lines)
    assert set(load(root).labels) == {"joy", "fear", "calm"}


def test_rows_that_are_no_votes_have_no_labels(root: Path) -> None:
    lines = [[audio, rater, label] for audio, _, rater, label in rows()]
    write(root / "a.csv", ["file", "rater", "emotion"], [*lines, ["", "Sum", "12"]])
    assert set(load(root).labels) == {"joy", "fear", "calm"}


def test_a_set_of_stimuli_is_no_split(root: Path) -> None:
    lines = [[*row, "A" if row[1] == "vera" else "B"] for row in rows()]
    write(root / "a.csv", ["file", "speaker", "rater", "emotion", "set"], lines)
    data = load(root)
    assert votes_of(data) == expected() and "split" not in data.utterances.columns


def test_rows_that_may_be_no_votes_are_named(root: Path) -> None:
    lines = [[*row, "practice" if place < 2 else "main"] for place, row in enumerate(rows())]
    write(root / "a.csv", ["file", "speaker", "rater", "emotion", "block"], lines)
    assert "column 'block' may mark rows that are no votes (main, practice)" in " ".join(
        _proposed(root).hints
    )
    lines = [[*row, "training" if row[1] == "vera" else "test"] for row in rows()]
    write(root / "a.csv", ["file", "speaker", "rater", "emotion", "part"], lines)
    assert not _proposed(root).hints  # names of splits


def test_a_later_version_of_the_votes_is_not_added_up(root: Path) -> None:
    header = ["file", "speaker", "rater", "emotion"]
    write(root / "ratings_v1.csv", header, rows())
    changed = [[*row[:3], "fear" if place % 2 else row[3]] for place, row in enumerate(rows())]
    write(root / "ratings_v2.csv", header, changed)
    assert "hold the same rows" in _proposed(root).doubts[0]


def test_letters_that_look_alike_are_one_label(root: Path) -> None:
    spellings = ["\u00c4rger", "A\u0308rger", "\u00c4rger\u200b", "\u00c4rger\u00a0"]
    lines = [
        [row[0], row[2], spellings[place % 4] if row[3] == "fear" else row[3]]
        for place, row in enumerate(rows())
    ]
    write(root / "a.csv", ["file", "rater", "emotion"], lines)
    assert set(load(root).labels) == {"joy", "calm", "\u00c4rger"}


def test_an_id_of_several_recordings_in_a_table_of_its_own_is_rejected_with_its_votes(root: Path) -> None:
    lines = [[clip[-1], f"Ton/{clip}.wav", clip[:4]] for clip in CLIPS] + [["3", "Ton/otto 1.wav", "otto"]]
    write(root / "utterances.csv", ["utterance_id", "audio", "speaker"], lines)
    votes = [[str(1 + place % 3), rater, label] for place, (_, _, rater, label) in enumerate(rows())]
    write(root / "votes.csv", ["utterance_id", "annotator_id", "label"], votes)
    data = load(root)
    assert data.utterances["utterance_id"].to_list() == ["3"]
    reasons = data.rejects["reason"].value_counts().rows()
    assert dict(reasons) == {"id of several recordings": 4, "vote for a rejected utterance": 8}


def test_a_doubtful_proposal_is_not_kept(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [[row[0], row[2], str(1 + place % 3)] for place, row in enumerate(rows())]
    write(root / "a.csv", ["file", "rater", "emotion"], lines)
    with pytest.raises(
        UserError, match="nothing was kept, since this is not sure: the labels in 'emotion' are numbers"
    ):
        table(root, write=True)
    assert not (root / "ambivox-table.toml").exists()
    table(root, write=True, options={"label": "emotion"})
    assert (root / "ambivox-table.toml").exists()


def test_a_survey_with_a_column_per_clip_is_kept(root: Path) -> None:
    lines = [[rater, *(votes[place] for votes in VOTES)] for place, rater in enumerate(RATERS)]
    write(root / "a.csv", ["participant", *CLIPS], lines)
    table(root, write=True)
    assert votes_of(load(root)) == expected()


def test_utterances_that_share_a_recording_and_a_column_that_is_no_channel(root: Path) -> None:
    parts = [(f"u{place}", CLIPS[place // 2], "agent" if place % 2 else "customer") for place in range(8)]
    lines = [
        [name, f"Ton/{clip}.wav", side, rater, label]
        for name, clip, side in parts
        for rater, label in zip(RATERS, VOTES[0], strict=True)
    ]
    write(root / "a.csv", ["utterance_id", "audio", "channel", "rater", "label"], lines)
    proposal = _proposed(root)
    assert "utterance" not in proposal.options  # the column of that name
    assert any("names several utterances of a recording" in doubt for doubt in proposal.doubts)
    sides = {"agent": "rechts", "customer": "links"}
    write(
        root / "a.csv",
        ["utterance_id", "audio", "channel", "rater", "label"],
        [[*line[:2], sides[line[2]], *line[3:]] for line in lines],
    )
    data = load(root)
    assert data.utterances.height == 8 and set(data.utterances["channel"]) == {1, 2}


def test_one_time_that_is_none_is_one_reject(root: Path) -> None:
    lines = [
        [f"Ton/{clip}.wav", str(start), str(start + 0.02), rater, label]
        for clip in CLIPS
        for start in (0.0, 0.03, 0.06)
        for rater, label in zip(RATERS, ("joy", "fear", "joy"), strict=True)
    ]
    lines[4][1] = "o.03"
    write(root / "a.csv", ["file", "start", "end", "rater", "emotion"], lines)
    data = load(root)
    assert data.utterances["utterance_id"].n_unique() == 12
    assert data.rejects["reason"].to_list() == ["unreadable segment", "vote for a rejected utterance"]
