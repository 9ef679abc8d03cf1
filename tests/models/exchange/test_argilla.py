"""Argilla: its own client uploads what is written, and what it writes comes back as votes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables, argilla
from ambivox.models.tables import Distributions, Utterances, Votes
from tests.support.argilla_server import ArgillaServer

LABELS = ("anger", "joy & <b>", "neutral")
HOSTILE = "<script>alert(1)</script> {{7*7}}"


@pytest.fixture
def tables(tmp_path: Path) -> LinkedTables:
    utterances = pl.DataFrame(
        {
            "utterance_id": ["a", "b/2", "007"],
            "corpus": "my corpus!",
            "audio": [str(tmp_path / "audio/x/a b.wav"), str(tmp_path / "audio/b.wav"), "https://host/c.wav"],
            "audio_sha256": "0" * 64,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16_000,
            "split": "train",
            "transcript": ["Hi", None, HOSTILE],
            "speaker": ["s1", None, "s2"],
        }
    )
    votes = pl.DataFrame([("a", "r1", "human", "anger", 1.0)], list(Votes.required), orient="row")
    p_NK = np.array([[0.5, 0.25, 0.25], [0.0, 0.25, 0.75]])
    return LinkedTables.of(
        Utterances.check(utterances, LABELS),
        Votes.check(votes, LABELS),
        Distributions.of(pl.Series(["a", "b/2"]), "pooled", p_NK, LABELS),
    )


@pytest.fixture
def server() -> Iterator[ArgillaServer]:
    server = ArgillaServer()
    yield server
    server.close()


def test_argilla_s_own_client_uploads_it(tables: LinkedTables, server: ArgillaServer, tmp_path: Path) -> None:
    import argilla as client_library

    (out := tmp_path / "out").mkdir()
    notes = argilla.write_project(tables, out, "https://files.example/")
    assert notes[0] == f"https://files.example/ stands for the folder {tmp_path / 'audio'}"
    assert "1 vote stays here" in notes[1]
    client = client_library.Argilla(api_url=server.url, api_key="owner.apikey")
    client_library.Dataset.from_disk(str(out), workspace="speech", client=client)
    assert (server.dataset["name"], server.dataset["status"]) == ("my_corpus_", "ready")
    (question,) = server.properties["questions"]
    assert question["settings"]["type"] == "label_selection"
    assert [option["value"] for option in question["settings"]["options"]] == list(LABELS)
    assert [field["name"] for field in server.properties["fields"]] == ["audio", "transcript"]
    assert {record["external_id"] for record in server.records} == {"a", "b/2", "007"}
    first, third = (
        next(record for record in server.records if record["external_id"] == name) for name in ("a", "007")
    )
    assert first["fields"] == {"audio": {"url": "https://files.example/x/a%20b.wav"}, "transcript": "Hi"}
    assert first["metadata"] == {"utterance_id": "a", "corpus": "my corpus!", "speaker": "s1"}
    assert third["fields"] == {"audio": {"url": "https://host/c.wav"}, "transcript": HOSTILE}
    (suggestion,) = first["suggestions"]
    assert (suggestion["value"], suggestion["score"], suggestion["agent"]) == ("anger", 0.5, "pooled")
    assert not third["suggestions"]
    # Handlebars escapes in double braces only; text is shown as text.
    assert "{{{" not in json.dumps(server.properties["fields"])
    assert not server.properties["fields"][1]["settings"]["use_markdown"]


def test_its_records_come_back_as_votes(tables: LinkedTables, tmp_path: Path) -> None:
    import argilla as client_library

    argilla.write_project(tables, tmp_path, "https://files.example/")
    anna, ben = uuid4(), uuid4()
    answers = {"a": [(anna, "anger"), (ben, "neutral")], "b/2": [(anna, "joy & <b>")], "007": [(ben, "rage")]}
    records = []
    for written in json.loads((tmp_path / "records.json").read_text()):
        record = client_library.Record.from_dict(written)
        for user, label in answers[str(record.id)]:
            record.responses.add(client_library.Response("emotion", label, user_id=user))
        records.append(record.to_dict())
    records.append(records[0] | {"id": "z", "metadata": {}})
    (tmp_path / "records.json").write_text(json.dumps(records))
    votes, rejects = argilla.read_votes(tmp_path, tables.utterances)
    assert set(votes.frame.select("utterance_id", "annotator_id", "label").rows()) == {
        ("a", str(anna), "anger"),
        ("a", str(ben), "neutral"),
        ("b/2", str(anna), "joy & <b>"),
    }
    assert rejects["reason"].to_list() == ["unknown label", "vote for an unknown utterance"]


def test_several_labels_of_one_annotator_share_the_vote(tables: LinkedTables, tmp_path: Path) -> None:
    response = {"value": ["anger", "neutral"], "user_id": "u"}
    (tmp_path / "r.json").write_text(json.dumps([{"id": "a", "responses": {"mood": [response]}}]))
    votes, _ = argilla.read_votes(tmp_path / "r.json", tables.utterances, control="mood")
    assert votes.frame["weight"].to_list() == [0.5, 0.5]


def test_metadata_with_the_id_must_be_there(tables: LinkedTables, tmp_path: Path) -> None:
    records = [{"id": "x", "metadata": {"clip": "a"}, "responses": {"emotion": [{"value": "anger"}]}}]
    (tmp_path / "r.json").write_text(json.dumps(records))
    votes, _ = argilla.read_votes(tmp_path / "r.json", tables.utterances, id_field="clip")
    assert votes.frame["utterance_id"].to_list() == ["a"]
    with pytest.raises(UserError, match="no record has the metadata 'clipp'; found clip; name the one"):
        argilla.read_votes(tmp_path / "r.json", tables.utterances, id_field="clipp")


MISTAKES = {
    "not json": ("{", "expected a list of records"),
    "a mapping": ("{}", "expected a list of records"),
    "other question": ('[{"id": "a", "responses": {"mood": [{"value": "x"}]}}]', "found mood; name the one"),
    "wrong type": ('[{"id": "a", "responses": 3}]', "expected a list of records"),
}


@pytest.mark.parametrize(("content", "words"), MISTAKES.values(), ids=MISTAKES)
def test_other_files(tables: LinkedTables, tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "records.json").write_text(content)
    with pytest.raises(UserError, match=words) as error:
        argilla.read_votes(tmp_path, tables.utterances)
    assert "\n" not in str(error.value)


def test_what_argilla_cannot_hold(tables: LinkedTables, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"serves no audio: serve .*audio by HTTP"):
        argilla.write_project(tables, tmp_path)
    one = LinkedTables.of(
        Utterances.check(tables.utterances.frame, ("anger",)), Votes.check(tables.votes.frame, ("anger",))
    )
    with pytest.raises(UserError, match="needs two labels"):
        argilla.write_project(one, tmp_path, "https://x/")
