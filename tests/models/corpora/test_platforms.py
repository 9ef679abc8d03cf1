"""Tables as labelling tools and crowdsourcing platforms export them, read without options, and what resembles votes or ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.proposal import propose
from ambivox.models.ingestion.table_files import list_sources
from ambivox.models.ingestion.table_preview import preview
from tests.support.found_tables import CLIPS, RATERS, VOTES, expected, rows, votes_of, write, write_recordings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four recordings in a folder of their own."""
    write_recordings(tmp_path)
    return tmp_path


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def test_prodigy(root: Path) -> None:
    lines = [
        {
            "audio": audio,
            "meta": {"speaker": speaker},
            "options": [{"id": label, "text": label.title()} for label in ("joy", "fear", "calm")],
            "accept": [label],
            "answer": "accept",
            "_annotator_id": rater,
        }
        for audio, speaker, rater, label in rows()
    ]
    lines += [{**lines[0], "accept": [], "answer": "ignore", "_annotator_id": "nan cy"}]
    lines += [{**lines[0], "answer": "reject", "_annotator_id": "bo"}]
    write_lines(root / "export.jsonl", lines)
    data = load(root)
    assert votes_of(data) == expected()
    assert set(data.labels) == {"joy", "fear", "calm"}
    assert data.utterances["speaker"].to_list() == ["vera", "vera", "otto", "otto"]
    assert data.rejects["detail"].to_list() == ["reject"]


def test_doccano_with_a_file_per_annotator(root: Path) -> None:
    for rater in RATERS:
        lines = [
            {"id": number, "filename": audio, "label": [label], "Comments": []}
            for number, (audio, _, by, label) in enumerate(rows())
            if by == rater
        ]
        write_lines(root / f"{rater}.jsonl", [{**line, "id": number} for number, line in enumerate(lines)])
    data = load(root)
    assert votes_of(data) == expected()
    assert data.utterances.height == len(CLIPS) and not data.rejects.height


def test_annotations_beside_what_describes_the_recording(root: Path) -> None:
    lines = [
        {
            "id": clip,
            "audio": {"path": f"Ton/{clip}.wav", "sampling_rate": 16_000},
            "meta": {"speaker": clip[:4], "language": "de"},
            "annotations": [
                {"annotator": rater, "label": label} for rater, label in zip(RATERS, labels, strict=True)
            ],
        }
        for clip, labels in zip(CLIPS, VOTES, strict=True)
    ]
    write_lines(root / "calls.jsonl", lines)
    data = load(root)
    assert votes_of(data) == expected()
    assert data.utterances["speaker"].n_unique() == 2 and data.utterances["language"].unique().to_list() == [
        "de"
    ]


@pytest.mark.parametrize("form", ["annotators", "labels"])
def test_dictionaries_of_votes_are_told_from_descriptions(root: Path, form: str) -> None:
    lines = []
    for clip, labels in zip(CLIPS, VOTES, strict=True):
        by_rater = dict(zip(RATERS, labels, strict=True))
        counts = {label: labels.count(label) for label in ("joy", "fear", "calm")}
        place = {"room": f"room {clip[:4]}", "device": "phone" if clip[-1] == "1" else "headset"}
        votes = by_rater if form == "annotators" else counts
        lines.append({"wav": f"Ton/{clip}.wav", "recorded": place, "heard": votes})
    write_lines(root / "calls.jsonl", lines)
    shown = preview(root, {})
    assert shown.settings["label"] == "heard" and shown.settings["shape"] == "list"
    assert "12 votes" in shown.lines[-1]


def test_toloka(root: Path) -> None:
    header = [
        "INPUT:audio",
        "OUTPUT:feeling",
        "GOLDEN:feeling",
        "ASSIGNMENT:assignment_id",
        "ASSIGNMENT:worker_id",
    ]
    lines = [[audio, label, "", f"{rater}-1", rater, "APPROVED"] for audio, _, rater, label in rows()]
    lines += [[lines[0][0], "fear", "", "eve-1", "eve", "REJECTED"]]
    write(root / "assignments.tsv", [*header, "ASSIGNMENT:status"], lines, by="\t")
    data = load(root)
    assert votes_of(data) == expected()
    assert data.rejects["reason"].to_list() == ["vote of an assignment that is left out"]


def test_appen(root: Path) -> None:
    header = ["_unit_id", "_trusted", "_worker_id", "mood", "mood_gold", "file"]
    lines = [[audio[-5], "true", rater, label, "", audio] for audio, _, rater, label in rows()]
    lines = [[str(1000 + number // 3), *line[1:]] for number, line in enumerate(lines)]
    lines += [["1000", "false", "eve", "fear", "", lines[0][-1]]]
    write(root / "f100.csv", header, lines)
    data = load(root)
    assert votes_of(data) == expected()
    assert data.rejects["detail"].to_list() == ["false"]


@pytest.mark.parametrize("header", ["who", "Email Address", "filled in by"])
def test_addresses_are_annotators(root: Path, header: str) -> None:
    lines = [["1/2/26", audio, f"{rater}@example.org", f"🙂 {label}"] for audio, _, rater, label in rows()]
    write(root / "form.csv", ["Timestamp", "Clip", header, "How do they feel?"], lines)
    addressed = {(clip, f"{rater}@example.org"): {f"🙂 {label}" for label in labels}
                 for (clip, rater), labels in expected().items()}  # fmt: skip
    assert votes_of(load(root)) == addressed


def test_columns_named_after_raters_in_another_language(root: Path) -> None:
    words = {"joy": "Freude", "fear": "Angst", "calm": "ruhig"}
    lines = [
        [f"Ton/{clip}.wav", clip[:4], *(words[label] for label in labels)]
        for clip, labels in zip(CLIPS, VOTES, strict=True)
    ]
    lines[0][3] = "k.A."
    write(root / "Wertungen.csv", ["Datei", "Sprecher", *RATERS], lines, by=";")
    in_german = {key: {words[label] for label in labels} for key, labels in expected().items()}
    del in_german["vera 1", RATERS[1]]
    assert votes_of(load(root)) == in_german


@pytest.mark.parametrize("first", ["loudness", "item"])
def test_small_numbers_are_no_ids(root: Path, first: str) -> None:
    write(root / "stimuli.csv", ["stimulus", "wav", "actor"],
          [[str(number), f"Ton/{clip}.wav", clip[:4]] for number, clip in enumerate(CLIPS, 1)])  # fmt: skip
    lines = [
        [str(1 + number % 2), str(1 + number // 3), rater, label]
        for number, (_, _, rater, label) in enumerate(rows())
    ]
    header = ["loudness", "item", "rater", "mood"]
    if first == "item":
        header[:2], lines = header[1::-1], [[line[1], line[0], *line[2:]] for line in lines]
    write(root / "responses.csv", header, lines)
    shown = propose(list_sources(root, {}).sources, {})
    assert shown.options["vote_utterance"] == "item"
    # Half of the clips are numbered 1 or 2, so the loudness may be meant, too.
    assert shown.doubts == [
        "the ids of the utterances may be in 'item' or 'loudness' (option vote_utterance)"
    ]
    with pytest.raises(UserError, match="'item' or 'loudness'"):
        load(root)
    assert votes_of(load(root, vote_utterance="item")) == expected()


def test_annotators_of_a_table_of_votes_are_suggested(root: Path) -> None:
    write(root / "clips.csv", ["clip", "wav"], [[clip, f"Ton/{clip}.wav"] for clip in CLIPS])
    lines = [[Path(audio).stem, f"S-{rater}", label] for audio, _, rater, label in rows()]
    write(root / "votes.csv", ["clip", "subj", "mood"], lines)
    hints = propose(list_sources(root, {}).sources, {}).hints
    assert len(hints) == 1 and hints[0].endswith("if 'subj' names them: --options.annotator subj")


@pytest.mark.parametrize("factor", [1, 100])
def test_shares_in_percent_are_no_counts(root: Path, factor: int) -> None:
    lines = [
        [f"Ton/{clip}.wav", *(f"{factor * labels.count(label) / 3:.1f}" for label in ("joy", "fear", "calm"))]
        for clip, labels in zip(CLIPS, VOTES, strict=True)
    ]
    write(root / "table.csv", ["wav", "joy %", "fear %", "calm %"], lines)
    with pytest.raises(UserError, match="'joy %', 'fear %', 'calm %' hold shares; write numbers of votes"):
        load(root)


def test_a_clip_in_two_rows_is_one_utterance(root: Path) -> None:
    lines = [[f"Ton/{clip}.wav", *labels] for clip, labels in zip(CLIPS, VOTES, strict=True)]
    write(
        root / "table.csv",
        ["wav", "rater 1", "rater 2", "rater 3"],
        [*lines, ["Ton/vera 1.wav", "fear", "", ""]],
    )
    data = load(root)
    assert data.utterances.height == 4 and not data.rejects.height
    assert votes_of(data)["vera 1", "rater 1"] == {"joy", "fear"}


def test_errors_of_spreadsheet_programs_are_no_labels(root: Path) -> None:
    lines = [list(row) for row in rows()]
    for line, error in zip(lines, ["#N/A", "#WERT!", "#DIV/0!", "#REF!"], strict=False):
        line[3] = error
    write(root / "table.csv", ["file", "speaker", "rater", "emotion"], lines)
    data = load(root)
    assert set(data.labels) == {"joy", "fear", "calm"}
    assert "labels '#DIV/0!', '#N/A', '#REF!', '#WERT!' count as missing in 4 rows" in data.notes


@pytest.mark.parametrize("header", ["{}_votes", "{} (n)", "votes: {}", "n {} heard"])
def test_labels_are_what_differs_in_the_headers_of_counts(root: Path, header: str) -> None:
    lines = [
        [f"Ton/{clip}.wav", *(str(labels.count(label)) for label in ("joy", "fear", "calm"))]
        for clip, labels in zip(CLIPS, VOTES, strict=True)
    ]
    write(root / "table.csv", ["wav", *(header.format(label) for label in ("joy", "fear", "calm"))], lines)
    data = load(root)
    assert set(data.labels) == {"joy", "fear", "calm"} and data.votes.height == 12


@pytest.mark.parametrize(
    "headers", [("Primary Emotion", "Secondary Emotion"), ("first choice", "second choice")]
)
def test_the_second_choice_of_an_annotator_is_not_read(root: Path, headers: tuple[str, str]) -> None:
    lines = [
        [audio, rater, label, "calm" if number % 3 else ""]
        for number, (audio, _, rater, label) in enumerate(rows())
    ]
    write(root / "table.csv", ["Filename", "Rater", *headers], lines)
    assert votes_of(load(root)) == expected()
    assert f"not read: {headers[1]}" in preview(root, {}).lines


def test_a_program_that_dropped_leading_zeros_is_understood(root: Path) -> None:
    write(
        root / "clips.csv", ["id", "path"], [[f"{n:04}", f"Ton/{clip}.wav"] for n, clip in enumerate(CLIPS)]
    )
    lines = [[str(number // 3), rater, label] for number, (_, _, rater, label) in enumerate(rows())]
    write(root / "votes.csv", ["clip", "rater", "label"], lines)
    data = load(root)
    assert votes_of(data) == expected()
    assert data.utterances["utterance_id"].to_list() == ["0000", "0001", "0002", "0003"]


def test_a_survey_says_nothing_about_speakers(root: Path) -> None:
    lines = [
        [rater, str(30 + place), *(labels[place] for labels in VOTES)] for place, rater in enumerate(RATERS)
    ]
    write(root / "survey.csv", ["Rater", "Age", *CLIPS], lines)
    data = load(root)
    assert votes_of(data) == expected()
    assert not any("age" in note.lower() for note in data.notes)


def test_a_typing_mistake_in_a_speaker_loses_no_speakers(root: Path) -> None:
    lines = [list(row) for row in rows()]
    lines[4][1] = "Vera!"
    lines += [[f"Ton/{clip}.wav", clip[:4], "nan cy", "joy"] for clip in CLIPS for _ in range(2)]
    more = [[f"Ton/x{n}.wav", "otto", rater, "joy"] for n in range(4) for rater in RATERS]
    write(root / "table.csv", ["file", "speaker", "rater", "emotion"], [*lines, *more])
    data = load(root)
    assert data.utterances["speaker"].to_list() == ["vera", "vera", "otto", "otto", *["otto"] * 4]
    assert any(
        "differs between the rows of 1 utterance, such as 'Ton/vera 2.wav'" in note for note in data.notes
    )


def test_a_column_called_as_annotators_of_a_table_with_a_row_per_clip(root: Path) -> None:
    lines = [[f"Ton/{clip}.wav", clip[:4], *labels] for clip, labels in zip(CLIPS, VOTES, strict=True)]
    write(root / "table.csv", ["file", "participant", "rater 1", "rater 2", "rater 3"], lines)
    assert load(root).votes["annotator_id"].unique().sort().to_list() == ["rater 1", "rater 2", "rater 3"]
