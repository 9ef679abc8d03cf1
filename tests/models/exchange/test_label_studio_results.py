"""Label Studio's exports in every format: the same votes from each, and tasks that name their utterance in other ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.exchange.label_studio import read_votes, write
from ambivox.models.tables import Utterances, Votes
from tests.support.label_studio_project import export, import_faults, minimal, write_csv

LABELS = ("anger", "joy", "fear, mild")
EARLY, LATE = "2026-03-09T22:16:08.728353Z", "2026-03-10T08:00:00+01:00"


def utterances(*rows: tuple[str, str, str | None]) -> Utterances:
    frame = pl.DataFrame(
        {
            "utterance_id": [row[0] for row in rows],
            "corpus": "calls",
            "audio": [row[1] for row in rows],
            "audio_sha256": "0" * 64,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16_000,
            "split": "test",
            "transcript": pl.Series([row[2] for row in rows], dtype=pl.String),
            "speaker": pl.Series([None] * len(rows), dtype=pl.String),
        }
    )
    return Utterances.check(frame, LABELS)


CALLS = utterances(
    ("u1", "/rec/day 1/a.wav", None),
    ("u2", "/rec/day 2/b.wav", "Why?"),
    ("u3", "s3://bucket/rec/c.wav", None),
)
ANSWERS = {
    "u1": [("lead@example.org", ["anger"], LATE), ("lead@example.org", ["joy"], EARLY)],
    "u2": [("Rater.Two@example.org", ["joy", "fear, mild"], EARLY), ("third@example.org", ["joy"], LATE)],
}
EXPECTED = [
    ("u1", "lead@example.org", "anger", 1.0),
    ("u2", "Rater.Two@example.org", "fear, mild", 0.5),
    ("u2", "Rater.Two@example.org", "joy", 0.5),
    ("u2", "third@example.org", "joy", 1.0),
]


def rows(votes: Votes) -> list[tuple[Any, ...]]:
    return votes.frame.select("utterance_id", "annotator_id", "label", "weight").rows()


def no_votes(table: Utterances) -> LinkedTables:
    return LinkedTables.of(table, Votes(pl.DataFrame(schema=Votes.required), LABELS))


@pytest.fixture
def exported(tmp_path: Path) -> list[dict[str, Any]]:
    write(no_votes(CALLS), tmp_path)
    assert import_faults(tmp_path) == []
    return export(tmp_path, ANSWERS)


@pytest.mark.parametrize("form", ["json", "min.json", "csv", "tsv"])
def test_every_export_gives_the_same_votes_and_the_latest_counts(exported, tmp_path, form):
    path = tmp_path / f"result.{form}"
    if form == "json":
        path.write_text(json.dumps(exported))
    elif form == "min.json":
        path.write_text(json.dumps(minimal(exported)))
    else:
        write_csv(minimal(exported), path, "," if form == "csv" else "\t")
    votes, rejects = read_votes(path, CALLS)
    assert rows(votes) == EXPECTED
    assert rejects.select("utterance_id", "reason").rows() == [("u1", "replaced by a later annotation")]


def test_label_studio_takes_votes_of_raters_that_are_no_members_and_tasks_without_transcripts(tmp_path):
    for transcript in (None, "Why?"):
        table = utterances(("u1", "a.wav", None), ("u2", "b.wav", transcript))
        frame = pl.DataFrame(
            [("u1", "rater 0", "anger"), ("u1", "x@nowhere.org", "joy")],
            ["utterance_id", "annotator_id", "label"],
            orient="row",
        ).with_columns(annotator_kind=pl.lit("human"), weight=1.0)
        write(LinkedTables.of(table, Votes.check(frame, LABELS)), tmp_path)
        assert import_faults(tmp_path) == []
        assert ("<Text" in (tmp_path / "config.xml").read_text()) == (transcript is not None)
        (tmp_path / "result.json").write_text(json.dumps(export(tmp_path, {})))
        votes, rejects = read_votes(tmp_path / "result.json", table)
        assert rows(votes) == [("u1", "rater 0", "anger", 1.0), ("u1", "x@nowhere.org", "joy", 1.0)]
        assert rejects.height == 0


@pytest.mark.parametrize(
    ("audio_url", "addresses"),
    [
        (
            "/data/local-files/?d=",
            ["/data/local-files/?d=day%201/a.wav", "/data/local-files/?d=day%202/b.wav"],
        ),
        ("https://host/x/", ["https://host/x/day%201/a.wav", "https://host/x/day%202/b.wav"]),
    ],
)
def test_audio_has_an_address_that_label_studio_can_play(tmp_path, audio_url, addresses):
    assert write(no_votes(CALLS), tmp_path, audio_url) == Path("/rec")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["data"]["audio"] for task in tasks] == [*addresses, "s3://bucket/rec/c.wav"]


def one_vote(
    tmp_path: Path, data: dict[str, Any], table: Utterances = CALLS, **options: Any
) -> tuple[Votes, pl.DataFrame]:
    result = [{"from_name": "emotion", "value": {"choices": ["joy"]}}]
    path = tmp_path / "result.json"
    path.write_text(json.dumps([{"data": data, "annotations": [{"completed_by": 9, "result": result}]}]))
    return read_votes(path, table, **options)


@pytest.mark.parametrize(
    ("audio", "utterance"),
    [
        ("/data/local-files/?d=day%201/a.wav", "u1"),
        ("/data/local-files/?d=rec%2Fday%201%2Fa.wav", "u1"),
        ("/data/upload/3/8a7b6c5d-b.wav", "u2"),
        ("https://host/rec/day%202/b.wav?X-Amz-Signature=abc", "u2"),
        ("s3://bucket/rec/c.wav", "u3"),
        ("s3://other/c.wav", "u3"),
        ("C:\\rec\\day 1\\a.wav", "u1"),
        ("a.wav", "u1"),
        ("d.wav", None),
        ("", None),
    ],
)
def test_a_task_without_an_id_is_matched_by_its_audio(tmp_path, audio, utterance):
    votes, rejects = one_vote(tmp_path, {"audio": audio})
    assert votes.frame["utterance_id"].to_list() == ([utterance] if utterance else [])
    assert rejects["reason"].to_list() == ([] if utterance else ["vote for an unknown utterance"])


def test_audio_that_several_utterances_share_matches_none(tmp_path):
    table = utterances(("u1", "/x/a.wav", None), ("u2", "/y/a.wav", None))
    assert one_vote(tmp_path, {"audio": "a.wav"}, table)[0].frame.height == 0
    assert one_vote(tmp_path, {"audio": "/mnt/y/a.wav"}, table)[0].frame["utterance_id"].to_list() == ["u2"]


@pytest.mark.parametrize("given", ["007", 7, 7.0, "7", " 007 ", "7.0"])
def test_an_id_that_became_a_number_is_found(tmp_path, given):
    table = utterances(("007", "a.wav", None), ("12", "b.wav", None))
    assert one_vote(tmp_path, {"utterance_id": given, "audio": "b.wav"}, table)[0].frame[
        "utterance_id"
    ].to_list() == ["007"]


@pytest.mark.parametrize("given", ["nonesuch", 99, "u1 ;"])
def test_an_unknown_id_is_not_matched_by_its_audio(tmp_path, given):
    votes, rejects = one_vote(tmp_path, {"utterance_id": given, "audio": "a.wav"})
    assert votes.frame.height == 0 and rejects.height == 1


def test_the_id_can_be_in_another_field(tmp_path):
    votes, _ = one_vote(tmp_path, {"clip": "u2"}, id_field="clip")
    assert votes.frame["utterance_id"].to_list() == ["u2"]


@pytest.mark.parametrize("form", ["json", "min.json", "csv"])
def test_another_name_of_the_control_is_an_option_and_found_names_are_listed(tmp_path, form):
    write(no_votes(CALLS), tmp_path)
    exported = export(tmp_path, ANSWERS, "mood")
    path = tmp_path / f"result.{form}"
    if form == "csv":
        write_csv(minimal(exported, "mood"), path)
    else:
        path.write_text(json.dumps(exported if form == "json" else minimal(exported, "mood")))
    assert rows(read_votes(path, CALLS, control="mood")[0]) == EXPECTED
    with pytest.raises(UserError, match="mood"):
        read_votes(path, CALLS)


def test_exports_before_version_1_are_read(tmp_path):
    def completion(number: int, label: str, **more: Any) -> dict[str, Any]:
        result = [{"from_name": "emotion", "value": {"choices": [label]}}]
        return {"id": number, "created_at": 1588888888, "result": result, **more}

    tasks = [
        {
            "data": {"utterance_id": "u1"},
            "completions": [completion(5, "joy"), completion(6, "joy", skipped=True)],
        },
        {"data": {"utterance_id": "u2"}, "completions": [completion(7, "joy", was_cancelled=True)]},
        {"id": 3, "utterance_id": "u3", "audio": "x", "emotion": "anger", "annotator": 1},
        {"id": 3, "utterance_id": "u3", "audio": "x", "emotion": "anger", "completion_id": 8},
    ]
    path = tmp_path / "result.json"
    path.write_text(json.dumps(tasks))
    votes, rejects = read_votes(path, CALLS)
    assert rows(votes) == [
        ("u1", "label_studio-annotation-5", "joy", 1.0),
        ("u3", "label_studio-1", "anger", 1.0),
        ("u3", "label_studio-annotation-8", "anger", 1.0),
    ]
    assert rejects["reason"].to_list() == ["skipped by the annotator"] * 2
    assert votes.frame["entered_at"].dt.year().to_list() == [2020, None, None]


@pytest.mark.parametrize(
    "tasks", [[{}], [{"data": {"utterance_id": "u1"}, "predictions": []}], [{"id": 1, "utterance_id": "u1"}]]
)
def test_a_file_in_which_nothing_is_recognised_is_refused(tmp_path, tasks):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(tasks))
    with pytest.raises(UserError, match=r"expected a list of tasks.*found only the fields") as caught:
        read_votes(path, CALLS)
    assert "\n" not in str(caught.value)


def test_labels_are_compared_without_case_blanks_and_invisible_marks(tmp_path):
    path = tmp_path / "result.csv"
    path.write_text("utterance_id,emotion,annotator\nu1,ANGER,a\nu1,\u00a0joy\u200b,b\nu1,bored,c\n")
    votes, rejects = read_votes(path, CALLS)
    assert votes.frame["label"].to_list() == ["anger", "joy"]
    assert rejects.select("reason", "detail").rows() == [("unknown label", "bored")]
    path.write_text("utterance_id,emotion,annotator\nu1,Wut,a\nu2,bored,b\n")
    with pytest.raises(UserError, match="all labels are unknown; found 'Wut', 'bored', expected anger, joy"):
        read_votes(path, CALLS)


def test_what_was_looked_for_is_told(tmp_path):
    for data, detail in (
        ({"utterance_id": "gone"}, "gone"),
        ({"audio": "/x/gone.wav"}, "/x/gone.wav"),
        ({}, "neither an id nor audio"),
        ({"utterance_id": "9" * 5000}, "9" * 5000),
    ):
        _, rejects = one_vote(tmp_path, data)
        assert rejects.select("reason", "detail").rows() == [("vote for an unknown utterance", detail)]
    with pytest.raises(
        UserError, match="no task has a field 'clipp'; found audio, utterance_id; name the one"
    ):
        one_vote(tmp_path, {"utterance_id": "u1", "audio": "a.wav"}, id_field="clipp")


@pytest.mark.parametrize("audio", ["E\u0301\u00e9.WAV", "/data/upload/1/0a1b2c3d-\u00c9\u00e9.Wav"])
def test_audio_is_matched_whatever_its_suffix_and_how_letters_are_composed(tmp_path, audio):
    table = utterances(
        ("u1", "/x/\u00c9\u00e9.wav", None), ("u2", "/x/b.wav", None), ("u3", "/x/b.WAV", None)
    )
    assert one_vote(tmp_path, {"audio": audio}, table)[0].frame["utterance_id"].to_list() == ["u1"]
    assert one_vote(tmp_path, {"audio": "b.WAV"}, table)[0].frame["utterance_id"].to_list() == ["u3"]


def test_nulls_and_older_fields_do_no_harm(tmp_path):
    value = {"choices": None, "taxonomy": [["mood", "joy"]], "labels": None}
    tasks = [
        {"data": {"utterance_id": "u1", "audio": None}, "annotations": None, "predictions": None},
        {
            "data": {"utterance_id": "u1"},
            "annotations": [{"completed_by": None, "result": None, "updated_at": None}],
        },
        {
            "data": {"utterance_id": "u2"},
            "annotations": [{"result": [{"from_name": "emotion", "value": value, "meta": None}]}],
        },
        {"utterance_id": "u3", "annotation_id": 1, "annotator": None, "emotion": None},
        {
            "utterance_id": "u3",
            "annotation_id": 2,
            "annotator": {"email": "x@y.org"},
            "emotion": [{"choices": ["anger"]}],
        },
    ]
    path = tmp_path / "result.json"
    path.write_text(json.dumps(tasks))
    votes, rejects = read_votes(path, CALLS)
    assert rows(votes) == [
        ("u2", "label_studio-anonymous-2", "joy", 1.0),
        ("u3", "x@y.org", "anger", 1.0),
    ]
    assert rejects["reason"].to_list() == ["no label chosen", "no label chosen"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "cut short"),
        (b'{"a": 1}', "list of tasks"),
        (b"[1]", "list of tasks.*at 0"),
        (b'[{"data": 5}]', "task 1: at data"),
        (b'[{}, {"data": {}, "annotations": [{"result": 7}]}]', r"task 2: at annotations\.0\.result"),
        (b'[{"data": {}, "annotations": [{"result": [{"value": {"choices": {"a": 1}}}]}]}]', "task 1"),
        (b'[{"annotation_id": 1, "emotion": {"choices": {"a": 1}}}]', "task 1"),
        (b"[" * 100_000, "list of tasks"),
        (b'[{"data": "\xff"}]', "UTF-8"),
    ],
)
def test_what_is_no_export_is_one_line_with_the_place(tmp_path, content, place):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=place) as caught:
        read_votes(path, CALLS)
    assert "\n" not in str(caught.value)


_leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["u1", "joy", "emotion"])
)
_names = st.sampled_from(
    ["data", "annotations", "result", "value", "choices", "from_name", "completed_by", "annotation_id", "emotion", "meta",
     "annotator_id", "updated_at", "utterance_id", "audio", "id", "email", "annotator", "taxonomy"]
)  # fmt: skip
_json = st.recursive(
    _leaf,
    lambda child: st.lists(child, max_size=3) | st.dictionaries(_names, child, max_size=4),
    max_leaves=24,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(st.dictionaries(_names, _json, max_size=5), max_size=4) | _json)
def test_any_json_is_read_or_refused(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content))
    try:
        votes, rejects = read_votes(path, CALLS)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert set(votes.frame["utterance_id"]) <= {"u1", "u2", "u3"} and rejects.columns
