"""Label Studio: what its import needs, and what its exports give back, by hand after its documentation."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.exchange.label_studio import read_votes, write
from ambivox.models.tables import Distributions, Utterances, Votes

LABELS = ("anger", 'so-"so" <&>')


@pytest.fixture
def tables() -> LinkedTables:
    """Two utterances, three votes, one of them shared, and a model's distribution for the first."""
    utterances = pl.DataFrame(
        {
            "utterance_id": ["a", "b"],
            "corpus": "test",
            "audio": ["s3://bucket/a.wav", "b.wav"],
            "audio_sha256": "0" * 64,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16_000,
            "split": "test",
            "transcript": ["<b>Hi</b>", None],
        }
    )
    votes = [("a", "x@y.org", "human", "anger", 1.0), ("b", "x@y.org", "human", "anger", 1.0)]
    votes += [("a", "7", "human", label, 0.5) for label in LABELS]
    frame = pl.DataFrame(votes, list(Votes.required), orient="row")
    distributions = Distributions.of(pl.Series(["a"]), "synthetic", np.array([[0.25, 0.75]]), LABELS)
    return LinkedTables.of(Utterances.check(utterances, LABELS), Votes.check(frame, LABELS), distributions)


def test_votes_come_back_exactly(tables: LinkedTables, tmp_path: Path) -> None:
    write(tables, tmp_path)
    votes, rejects = read_votes(tmp_path / "tasks.json", tables.utterances)
    assert votes.frame.equals(tables.votes.frame)
    assert rejects.height == 0


def test_tasks_and_interface(tables: LinkedTables, tmp_path: Path) -> None:
    write(tables, tmp_path)
    first, second = json.loads((tmp_path / "tasks.json").read_text())
    assert first["data"]["audio"] == "s3://bucket/a.wav"
    assert first["data"]["utterance_id"] == "a"
    assert first["predictions"] == [
        {
            "model_version": "synthetic",
            "score": 0.75,
            "result": [
                {
                    "from_name": "emotion",
                    "to_name": "audio",
                    "type": "choices",
                    "value": {"choices": [LABELS[1]]},
                }
            ],
        }
    ]
    assert second["predictions"] == []
    root = ElementTree.parse(tmp_path / "config.xml").getroot()  # noqa: S314 - we wrote it
    choices = root.find("Choices")
    assert choices is not None
    assert [choice.get("value") for choice in choices] == list(LABELS)
    assert (choices.get("name"), choices.get("toName"), choices.get("choice")) == (
        "emotion",
        "audio",
        "multiple",
    )
    alone = LinkedTables.of(
        tables.utterances, Votes.check(tables.votes.frame.filter(pl.col("weight") == 1), LABELS)
    )
    write(alone, tmp_path)
    assert json.loads((tmp_path / "tasks.json").read_text())[0]["predictions"] == []
    assert 'choice="single"' in (tmp_path / "config.xml").read_text()


def annotation(annotator: object, *labels: str, **more: object) -> dict[str, object]:
    """As Label Studio writes one."""
    result = [
        {"from_name": "emotion", "to_name": "audio", "type": "choices", "value": {"choices": list(labels)}}
    ]
    return {
        "id": 1,
        "completed_by": annotator,
        "was_cancelled": False,
        "result": result if labels else [],
    } | more


def test_a_result_with_all_its_oddities(tables: LinkedTables, tmp_path: Path) -> None:
    tasks = [
        {
            "id": 11,
            "data": {"audio": "x", "utterance_id": "a"},
            "annotations": [
                annotation(1, "anger"),
                annotation({"id": 2, "email": "two@x.org"}, *LABELS),
                annotation(3, "anger", was_cancelled=True),
                annotation(4),
                annotation(5, "joy"),
                annotation(1, LABELS[1]),  # rater 1 again: the later one counts
                {"completed_by": 6, "result": [{"from_name": "comment", "value": {"text": ["hm"]}}]},
            ],
        },
        {"id": 12, "data": {"audio": "x", "utterance_id": "zz"}, "annotations": [annotation(1, "anger")]},
        {"id": 13, "data": {"audio": "x"}, "annotations": [annotation(1, "anger")]},
        {"id": 14, "data": {"audio": "x", "utterance_id": "b"}, "annotations": []},
    ]
    path = tmp_path / "result.json"
    path.write_text(json.dumps(tasks))
    votes, rejects = read_votes(path, tables.utterances)
    assert votes.frame.rows() == [
        ("a", "label_studio-1", "human", LABELS[1], 1.0),
        ("a", "two@x.org", "human", "anger", 0.5),
        ("a", "two@x.org", "human", LABELS[1], 0.5),
    ]
    assert sorted(rejects.select("utterance_id", "reason").rows()) == [
        ("a", "no label chosen"),
        ("a", "no label chosen"),
        ("a", "replaced by a later annotation"),
        ("a", "skipped by the annotator"),
        ("a", "unknown label"),
        ("task 3", "vote for an unknown utterance"),
        ("zz", "vote for an unknown utterance"),
    ]


def test_json_min(tables: LinkedTables, tmp_path: Path) -> None:
    tasks = [
        {"audio": "x", "utterance_id": "a", "id": 1, "emotion": "anger", "annotator": 3, "annotation_id": 9},
        {
            "audio": "x",
            "utterance_id": "b",
            "id": 2,
            "emotion": {"choices": list(LABELS)},
            "annotator": 3,
            "annotation_id": 8,
        },
        {"audio": "x", "utterance_id": "b", "id": 2, "annotator": 4, "annotation_id": 7},
    ]
    path = tmp_path / "result.json"
    path.write_text(json.dumps(tasks))
    votes, rejects = read_votes(path, tables.utterances)
    assert votes.counts(pl.Series(["a", "b"])).tolist() == [[1, 0], [0.5, 0.5]]
    assert rejects["reason"].to_list() == ["no label chosen"]


@pytest.mark.parametrize(
    ("text", "message"),
    [('[{"data": ', "expected a list of tasks.*cut short"), ('{"a": 1}', "expected a list of tasks")],
)
def test_files_that_are_no_result(tables: LinkedTables, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_votes(path, tables.utterances)


def test_unequal_weights_have_no_place(tables: LinkedTables, tmp_path: Path) -> None:
    weights = (
        pl.when(pl.col("weight") < 1)
        .then(pl.when(pl.col("label") == "anger").then(0.25).otherwise(0.75))
        .otherwise(1.0)
    )
    votes = Votes.check(tables.votes.frame.with_columns(weight=weights), LABELS)
    with pytest.raises(UserError, match="annotator '7' weighs the labels of 'a' unequally"):
        write(LinkedTables.of(tables.utterances, votes), tmp_path)
