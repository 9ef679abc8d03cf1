"""Tables as people have them, read without options: every shape and format gives the same utterances and votes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import soundfile

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import IngestedCorpus, ingest

CLIPS = ("k1", "k2", "k3", "k4")
SPEAKERS = ("001", "002", "001", "002")
# Rows: clips. Columns: three raters; None is no vote.
VOTES = (("joy", "joy", "anger"), ("calm", "joy", None), ("anger", "anger", "anger"), (None, "calm", "calm"))
LABELS = ("anger", "calm", "joy")
COUNTS = [[1, 0, 2], [0, 1, 1], [3, 0, 0], [0, 2, 0]]
NAMES = ("ute", "vic", "wim")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four recordings."""
    folder = tmp_path / "ours"
    (folder / "snd").mkdir(parents=True)
    for number, clip in enumerate(CLIPS):
        wave = 0.1 * np.sin(np.arange(1600 + 100 * number) / 7)
        soundfile.write(folder / "snd" / f"{clip}.wav", wave, 16_000)
    return folder


def path_of(clip: str) -> str:
    return f"snd/{clip}.wav"


def long_rows() -> list[dict[str, Any]]:
    """A row per vote."""
    return [
        {"file": path_of(clip), "rater": NAMES[rater], "emotion": label, "actor": speaker}
        for clip, speaker, votes in zip(CLIPS, SPEAKERS, VOTES, strict=True)
        for rater, label in enumerate(votes)
        if label is not None
    ]


def clip_rows(**columns: list[Any]) -> list[dict[str, Any]]:
    """A row per clip."""
    rows = [
        {"clip": clip, "wav": path_of(clip), "speaker": speaker}
        for clip, speaker in zip(CLIPS, SPEAKERS, strict=True)
    ]
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """In the format of the suffix."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps({"clips": rows}))
    elif path.suffix == ".xlsx":
        frame.write_excel(path)
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")


def ingested(root: Path, **options: Any) -> IngestedCorpus:
    return ingest(load(root, **options), "table", shares=(0, 1, 0, 0), cache=root.parent / "cache.sqlite")


def check(corpus: IngestedCorpus, annotators: tuple[str, ...] | None = NAMES) -> None:
    """The content, whatever the shape."""
    assert corpus.rejects.to_dicts() == []
    frame = corpus.utterances.frame
    assert [Path(audio).stem for audio in frame["audio"]] == list(CLIPS)
    assert frame["speaker"].to_list() == list(SPEAKERS)
    assert corpus.votes.labels == LABELS
    np.testing.assert_array_equal(corpus.votes.counts(frame["utterance_id"]), COUNTS)
    if annotators is not None:
        assert sorted(corpus.votes.frame["annotator_id"].unique()) == sorted(annotators)


def as_lists() -> list[Any]:
    return [[label for label in votes if label] for votes in VOTES]


def as_counts() -> list[Any]:
    return [{label: votes.count(label) for label in LABELS if label in votes} for votes in VOTES]


def as_people() -> list[Any]:
    return [{name: label for name, label in zip(NAMES, votes, strict=True) if label} for votes in VOTES]


def as_records() -> list[Any]:
    return [
        [{"rater": name, "label": label} for name, label in zip(NAMES, votes, strict=True) if label]
        for votes in VOTES
    ]


FLAT = ("csv", "tsv", "xlsx", "jsonl", "json", "parquet")


@pytest.mark.parametrize("suffix", FLAT)
def test_a_row_per_vote(root: Path, suffix: str) -> None:
    write(root / f"ratings.{suffix}", long_rows())
    check(corpus := ingested(root))
    assert any("emotion" in note for note in corpus.profile["notes"])
    check(ingested(root / f"ratings.{suffix}"))


@pytest.mark.parametrize("suffix", FLAT)
@pytest.mark.parametrize("prefix", ["", "n_", "count ", "Answer."])
def test_counts_per_label(root: Path, suffix: str, prefix: str) -> None:
    columns = {f"{prefix}{label}": [row[place] for row in COUNTS] for place, label in enumerate(LABELS)}
    write(root / f"summary.{suffix}", clip_rows(**columns))
    check(ingested(root), None)


@pytest.mark.parametrize("suffix", FLAT)
@pytest.mark.parametrize(
    "names", [("rater_1", "rater_2", "rater_3"), ("R1", "R2", "R3"), ("Coder A", "Coder B", "Coder C")]
)
def test_a_column_per_rater(root: Path, suffix: str, names: tuple[str, ...]) -> None:
    columns = {name: [votes[place] for votes in VOTES] for place, name in enumerate(names)}
    write(root / f"wide.{suffix}", clip_rows(**columns))
    check(ingested(root), names)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize(
    ("votes", "annotators"), [(as_lists, None), (as_counts, None), (as_people, NAMES), (as_records, NAMES)]
)
def test_a_list_or_dictionary_per_clip(
    root: Path, suffix: str, votes: Callable[[], list[Any]], annotators: tuple[str, ...] | None
) -> None:
    write(root / f"clips.{suffix}", clip_rows(emotions=votes()))
    check(ingested(root), annotators)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "xlsx"])
@pytest.mark.parametrize("as_text", [json.dumps, repr])
@pytest.mark.parametrize(
    ("votes", "annotators"), [(as_lists, None), (as_counts, None), (as_people, NAMES), (as_records, NAMES)]
)
def test_a_list_or_dictionary_as_text(
    root: Path,
    suffix: str,
    as_text: Callable[[Any], str],
    votes: Callable[[], list[Any]],
    annotators: tuple[str, ...] | None,
) -> None:
    write(root / f"clips.{suffix}", clip_rows(emotions=[as_text(value) for value in votes()]))
    check(ingested(root), annotators)


@pytest.mark.parametrize("separator", [";", "|", ", "])
def test_labels_with_a_separator(root: Path, separator: str) -> None:
    write(root / "clips.csv", clip_rows(labels=[separator.join(labels) for labels in as_lists()]))
    check(ingested(root), None)


def participants(name: Callable[[str], str]) -> list[dict[str, Any]]:
    """A row per annotator, and a column per clip."""
    return [
        {"Prolific PID": person, "Duration (in seconds)": "212"}
        | {name(clip): votes[place] for clip, votes in zip(CLIPS, VOTES, strict=True)}
        for place, person in enumerate(NAMES)
    ]


@pytest.mark.parametrize("suffix", FLAT)
@pytest.mark.parametrize(
    "name", [str, lambda clip: f"{clip}.wav", path_of, str.upper], ids=["stem", "file", "path", "case"]
)
def test_a_column_per_clip(root: Path, suffix: str, name: Callable[[str], str]) -> None:
    write(root / f"survey.{suffix}", participants(name))
    corpus = ingested(root)
    frame = corpus.utterances.frame
    assert corpus.rejects.to_dicts() == []
    assert [Path(audio).stem for audio in frame["audio"]] == list(CLIPS)
    np.testing.assert_array_equal(corpus.votes.counts(frame["utterance_id"]), COUNTS)
    assert sorted(corpus.votes.frame["annotator_id"].unique()) == sorted(NAMES)


def test_rows_of_a_survey_without_names_are_annotators(root: Path) -> None:
    rows = [
        {"Timestamp": "2026/01/05", "Email Address": "a@example.org"} | row
        for row in participants("{}.wav".format)
    ]
    write(root / "form.csv", [{name: row[name] for name in row if name != "Prolific PID"} for row in rows])
    corpus = ingested(root)
    np.testing.assert_array_equal(corpus.votes.counts(corpus.utterances.frame["utterance_id"]), COUNTS)
    assert sorted(corpus.votes.frame["annotator_id"].unique()) == [
        f"row {1 + place}" for place in range(len(NAMES))
    ]


def test_a_column_per_clip_beside_a_table_of_utterances(root: Path) -> None:
    write(root / "recordings.csv", clip_rows())
    write(root / "survey.csv", participants(str))
    check(ingested(root))


def test_a_clip_without_a_recording_is_a_reject(root: Path) -> None:
    (root / "snd" / "k3.wav").rename(root / "snd" / "other.wav")
    write(root / "survey.csv", participants(str))
    corpus = ingested(root, shape="clips", clips=CLIPS)
    assert corpus.profile["rejects"] == {"audio is missing": 1, "votes for an utterance without audio": 1}


def test_two_tables_whose_ids_have_different_names(root: Path) -> None:
    write(root / "recordings.csv", clip_rows())
    rows = [
        {"stimulus": Path(row["file"]).stem, "listener": row["rater"], "answer": row["emotion"]}
        for row in long_rows()
    ]
    write(root / "judgements.csv", rows)
    check(ingested(root))


def test_votes_that_name_the_audio_and_speakers_elsewhere(root: Path) -> None:
    write(root / "recordings.csv", [{"path": row["wav"], "speaker": row["speaker"]} for row in clip_rows()])
    write(
        root / "votes.csv",
        [{"file": row["file"], "coder": row["rater"], "label": row["emotion"]} for row in long_rows()],
    )
    check(ingested(root))


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("b.csv", "a.csv")])
def test_one_vote_per_clip_in_a_table_of_its_own(root: Path, names: tuple[str, str]) -> None:
    clips = [{"path": row["wav"], "speaker": row["speaker"]} for row in clip_rows()]
    votes = [{"path": path_of(clip), "coder": "ute", "label": "joy"} for clip in CLIPS]
    for name, rows in zip(names, (clips, votes), strict=True):
        write(root / name, rows)
    corpus = ingested(root)
    assert corpus.utterances.frame["speaker"].to_list() == list(SPEAKERS)
    assert corpus.votes.frame["annotator_id"].to_list() == ["ute"] * len(CLIPS)


def test_two_sheets_of_a_workbook(root: Path) -> None:
    import xlsxwriter

    rows = [
        {"clip": Path(row["file"]).stem, "rater": row["rater"], "emotion": row["emotion"]}
        for row in long_rows()
    ]
    with xlsxwriter.Workbook(root / "study.xlsx") as workbook:
        workbook.add_worksheet("read me").write(0, 0, "Listening test of spring")
        pl.DataFrame(clip_rows()).write_excel(workbook, "clips")
        pl.DataFrame(rows).write_excel(workbook, "votes")
    check(corpus := ingested(root))
    assert "sheet = clips; votes_sheet = votes" in corpus.profile["notes"][0].replace(
        "votes = study.xlsx; ", ""
    )
    check(ingested(root / "study.xlsx"))


def mturk_rows() -> list[dict[str, Any]]:
    """A batch file, with a rejected assignment that would change the counts."""
    rows = [
        {
            "HITId": f"H{row['file']}",
            "AssignmentId": f"A{number}",
            "WorkerId": row["rater"],
            "AssignmentStatus": "Approved",
            "WorkTimeInSeconds": "12",
            "Input.audio_url": row["file"],
            "Input.speaker": row["actor"],
            "Answer.emotion": row["emotion"],
            "Answer.comment": f"comment {number}",
        }
        for number, row in enumerate(long_rows())
    ]
    return [*rows, rows[0] | {"WorkerId": "xan", "AssignmentStatus": "Rejected", "Answer.emotion": "calm"}]


def test_an_mturk_batch(root: Path) -> None:
    write(root / "Batch_77_batch_results.csv", mturk_rows())
    corpus = ingested(root, speaker="Input.speaker")
    assert corpus.profile["rejects"] == {"vote of an assignment that is left out": 1}
    assert corpus.rejects.select("line", "detail").rows() == [(12, "Rejected")]
    np.testing.assert_array_equal(corpus.votes.counts(corpus.utterances.frame["utterance_id"]), COUNTS)
    assert sorted(corpus.votes.frame["annotator_id"].unique()) == sorted(NAMES)
    kept = ingested(root, leave_out=("none",))
    assert kept.rejects.height == 0
    assert kept.votes.frame.height == corpus.votes.frame.height + 1


def test_votes_of_rejected_assignments_never_count_unnoticed(root: Path) -> None:
    write(root / "batch.csv", mturk_rows())
    names = {"audio": "Input.audio_url", "utterance": "Input.audio_url", "label": "Answer.emotion"}
    corpus = ingested(root / "batch.csv", annotator="WorkerId", **names)
    assert corpus.votes.frame.height == 11
    note = "1 vote counts although of rejected or returned assignments; --options.status AssignmentStatus leaves them out"
    assert note in corpus.profile["notes"]


def test_answers_of_an_mturk_batch_as_true_and_false(root: Path) -> None:
    rows = [
        {name: value for name, value in row.items() if name not in ("Answer.emotion", "Answer.comment")}
        | {f"Answer.{label}": str(label == row["Answer.emotion"]).lower() for label in LABELS}
        for row in mturk_rows()[:-1]
    ]
    write(root / "batch.csv", rows)
    check(ingested(root, speaker="Input.speaker"))


def test_a_prolific_study_with_the_annotators_sex_and_age(root: Path) -> None:
    rows = [
        {
            "Participant id": row["rater"],
            "Status": "APPROVED" if row["rater"] != "wim" else "AWAITING REVIEW",
            "Sex": {"ute": "Female", "vic": "Male", "wim": "Male"}[row["rater"]],
            "Age": {"ute": 31, "vic": 40, "wim": 52}[row["rater"]],
            "stimulus": row["file"],
            "response": row["emotion"],
            "speaker": row["actor"],
        }
        for row in long_rows()
    ]
    rows.append(rows[0] | {"Participant id": "xan", "Status": "RETURNED"})
    write(root / "prolific.csv", rows)
    corpus = ingested(root)
    assert corpus.profile["rejects"] == {"vote of an assignment that is left out": 1}
    np.testing.assert_array_equal(corpus.votes.counts(corpus.utterances.frame["utterance_id"]), COUNTS)
    # Sex and age are those of the annotators, not of the speakers.
    assert corpus.utterances.frame["sex"].null_count() == len(CLIPS)
    assert corpus.utterances.frame["age"].null_count() == len(CLIPS)
    assert sum("do not describe it" in note for note in corpus.profile["notes"]) == 2


def test_a_survey_with_rows_that_describe_its_columns(root: Path) -> None:
    names = ("Q1_1", "Q1_2", "Q1_3")
    columns = {name: [votes[place] or "" for votes in VOTES] for place, name in enumerate(names)}
    rows = clip_rows(**columns)
    questions = dict.fromkeys(rows[0], "What do you hear, honestly?")
    imports = dict.fromkeys(rows[0], '{"ImportId":"QID1"}')
    write(root / "survey.csv", [questions, imports, *rows])
    check(ingested(root), names)


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_numbered_speakers_stay_text(root: Path, suffix: str) -> None:
    write(root / f"ratings.{suffix}", long_rows())
    assert set(ingested(root).utterances.frame["speaker"]) == {"001", "002"}


def huggingface(path: Path, columns: dict[str, Any], features: dict[str, Any]) -> None:
    """A Parquet file as Hugging Face's datasets write it."""
    table = pa.table(columns)
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)


def test_class_labels_have_their_names(root: Path) -> None:
    rows = long_rows()
    class_label = {"names": list(LABELS), "_type": "ClassLabel"}
    columns = {
        "audio": [{"bytes": None, "path": row["file"]} for row in rows],
        "rater": [row["rater"] for row in rows],
        "speaker": [row["actor"] for row in rows],
        "label": [LABELS.index(row["emotion"]) for row in rows],
    }
    huggingface(root / "train.parquet", columns, {"label": class_label, "audio": {"_type": "Audio"}})
    check(ingested(root))


@pytest.mark.parametrize("kind", ["Sequence", "List"])
def test_lists_of_class_labels_have_their_names(root: Path, kind: str) -> None:
    columns = {
        "wav": [path_of(clip) for clip in CLIPS],
        "speaker": list(SPEAKERS),
        "labels": [[LABELS.index(label) for label in labels] for labels in as_lists()],
    }
    feature = {"feature": {"names": list(LABELS), "_type": "ClassLabel"}, "_type": kind}
    huggingface(root / "train.parquet", columns, {"labels": feature})
    check(ingested(root), None)


def test_recordings_inside_a_table_are_named_with_the_command_that_writes_them(root: Path) -> None:
    columns = {
        "audio": [
            {"bytes": (root / path_of(clip)).read_bytes(), "path": f"../{'x' * 5000}{clip}.wav"}
            for clip in CLIPS
        ],
        "speaker": list(SPEAKERS),
        "labels": as_lists(),
    }
    huggingface(root / "train.parquet", columns, {})
    with pytest.raises(
        UserError, match=r"column 'audio' holds the recordings themselves; `ambivox table .* --write`"
    ):
        ingested(root / "train.parquet")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            "speaker",
            [["a"], ["b"], ["a"], ["b"]],
            r"column 'speaker' holds lists \(List\(String\)\), expected text",
        ),
        ("speaker", [{"id": 1}] * 4, r"column 'speaker' holds dictionaries"),
        ("speaker", [b"a"] * 4, r"column 'speaker' holds bytes"),
        ("wav", [["a.wav"]] * 4, r"column 'wav' holds lists"),
        ("wav", [b"RIFF"] * 4, r"column 'wav' holds bytes"),
        ("clip", [{"id": name} for name in CLIPS], r"column 'clip' holds dictionaries"),
    ],
)
def test_nested_values_are_refused_by_name(root: Path, column: str, values: list[Any], message: str) -> None:
    rows = clip_rows(labels=as_lists())
    frame = pl.DataFrame(rows).with_columns(pl.Series(column, values))
    frame.write_parquet(root / "clips.parquet")
    with pytest.raises(UserError, match=message):
        ingested(root / "clips.parquet", utterance="clip", audio="wav", label="labels", shape="list")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            {"anger": 0.5},
            r"clips\.jsonl:1: column 'votes': expected a number of votes \(up to 100,000\) for 'anger', found 0.5",
        ),
        ({"anger": -1}, r"expected a number of votes \(up to 100,000\) for 'anger', found -1"),
        (
            {"ute": ["anger", "joy"]},
            r"expected a number of votes \(up to 100,000\) for 'ute', found \['anger', 'joy'\]",
        ),
        ([["anger"]], r"expected a label, found \['anger'\]"),
        ([{"score": 3}], r"expected dictionaries with a label and an annotator"),
        (7, r"expected a list or dictionary of votes, found 7"),
    ],
)
def test_cells_that_hold_something_else_are_named(root: Path, cell: Any, message: str) -> None:
    write(root / "clips.jsonl", clip_rows(votes=[cell] * 4))
    with pytest.raises(UserError, match=message):
        ingested(root / "clips.jsonl", utterance="clip", audio="wav", label="votes", shape="list")


def test_lists_are_not_read_as_one_label(root: Path) -> None:
    write(root / "clips.csv", clip_rows(label=[json.dumps(labels) for labels in as_lists()]))
    with pytest.raises(UserError, match=r"column 'label' holds lists or dictionaries.*--options.shape list"):
        ingested(root / "clips.csv", utterance="clip", audio="wav", label="label", shape="rows")


def test_a_rater_whose_every_vote_is_lost_is_an_error(root: Path) -> None:
    names = ("rater_1", "rater_2", "rater_3")
    columns = {name: [votes[place] for votes in VOTES] for place, name in enumerate(names)}
    columns["rater_2"] = ["1", "2", "1", "3"]
    write(root / "wide.csv", clip_rows(**columns))
    with pytest.raises(
        UserError, match="column 'rater_2': none of its 4 votes is one of the labels anger, calm, joy"
    ):
        ingested(root, shape="raters", raters=names, labels=LABELS, utterance="clip", audio="wav")


def test_what_is_unclear_is_not_guessed(root: Path) -> None:
    write(root / "mystery.csv", clip_rows(take=["a", "b", "a", "b"]))
    with pytest.raises(
        UserError, match=r"`ambivox table .*ours` shows what the columns probably are"
    ) as caught:
        ingested(root)
    assert "\n" not in str(caught.value)
    rows = [
        {"file": row["file"], "heard": row["emotion"][:2], "style": style}
        for row in long_rows()
        for style in ("read", "spoken")
    ]
    write(root / "mystery.csv", rows)
    with pytest.raises(UserError, match="the labels may be in 'heard' or 'style'"):
        ingested(root)


def test_intensities_of_an_annotator_are_no_votes(root: Path) -> None:
    rows = [
        {"file": row["file"], "rater": row["rater"]}
        | {label: str(1 + (label == row["emotion"])) for label in LABELS}
        for row in long_rows()
    ]
    write(root / "ratings.csv", rows)
    with pytest.raises(
        UserError, match=r"ratings\.csv:\d+: \w+ is 2 for one annotator \(column 'rater'\); .*intensities"
    ):
        load(root)
