"""Potato: its own server runs what is written, and what people enter there comes back as votes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables, potato
from ambivox.models.tables import Utterances, Votes
from tests.support.wav_files import tone, write_wav

LABELS = ("anger", "joy: <b>'\"", "neutral", "yes", "- x")
HOSTILE = "<script>alert(1)</script> {{7*7}} {% raise %}"


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("potato-audio")
    for name in ("a b", "b", "c"):
        write_wav(folder / f"{name}.wav", tone(0.2))
    return folder


@pytest.fixture(scope="module")
def tables(audio: Path) -> LinkedTables:
    utterances = pl.DataFrame(
        {
            "utterance_id": ["a", "b/2", "007"],
            "corpus": "x",
            "audio": [str(audio / "a b.wav"), str(audio / "b.wav"), str(audio / "c.wav")],
            "audio_sha256": "0" * 64,
            "duration_seconds": 0.2,
            "sample_rate_hz": 16_000,
            "split": "train",
            "transcript": [HOSTILE, None, "Hi"],
        }
    )
    rows = [
        ("a", "../r1", "human", "anger", 1.0),
        ("b/2", "../r1", "human", LABELS[1], 1.0),
        ("a", "r2", "human", "neutral", 1.0),
        ("a", "x" * 300, "human", "yes", 1.0),
    ]
    votes = pl.DataFrame(rows, list(Votes.required), orient="row")
    return LinkedTables.of(Utterances.check(utterances, LABELS), Votes.check(votes, LABELS))


@pytest.fixture(scope="module")
def project(tables: LinkedTables, audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("potato") / "project"
    folder.mkdir()
    (note,) = potato.write_project(tables, folder)
    assert str(audio) in note
    assert "project/media" in note
    (folder / "media").symlink_to(audio)
    return folder


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[str]:
    """Potato, serving the project."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "potato", "start", "config.yaml", "-p", str(port)]
    environment = os.environ | {"PYTHONPATH": ""}
    with (project / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=project, stdout=log, stderr=log, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                httpx.get(url, timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, (project / "server.log").read_text()
                time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def test_votes_are_kept_as_potato_keeps_them(project: Path, tables: LinkedTables) -> None:
    states = list((project / "annotation_output").glob("*/user_state.json"))
    assert len(states) == 3
    votes, rejects = potato.read_votes(project, tables.utterances)
    assert votes.frame.equals(tables.votes.frame.sort("utterance_id", "annotator_id", "label"))
    assert not rejects.height


@pytest.mark.server
def test_potato_runs_it(server: str, project: Path, tables: LinkedTables, tmp_path: Path) -> None:
    with httpx.Client(base_url=server, follow_redirects=True, timeout=30) as client:
        client.post("/register", data={"action": "signup", "email": "carla", "pass": "a long password"})
        page = client.get("/annotate").text
        assert '<audio class="display-audio"' in page
        assert "<script>alert(1)</script>" not in page
        for label in ("anger", "joy: &lt;b&gt;", "neutral", "yes", "- x"):
            assert f'label_name="{label}' in page
        played = client.get("/media/a%20b.wav")
        assert played.content == Path(tables.utterances.frame.sort("audio")["audio"][0]).read_bytes()
        for name, label in (("b/2", LABELS[1]), ("007", "yes"), ("a", "- x")):
            answer = {"instance_id": name, "annotations": {f"emotion:{label}": label}}
            assert client.post("/updateinstance", json=answer).json()["status"] == "success"
    expected = tables.votes.frame.select("utterance_id", "annotator_id", "label").rows()
    expected += [("b/2", "carla", LABELS[1]), ("007", "carla", "yes"), ("a", "carla", "- x")]
    votes, _ = potato.read_votes(project, tables.utterances, known_annotators=["R2"])
    named = votes.frame.with_columns(pl.col("annotator_id").replace("R2", "r2"))
    assert set(named.select("utterance_id", "annotator_id", "label").rows()) == set(expected)
    assert "R2" in votes.frame["annotator_id"].to_list()
    # Potato's own export says the same.
    command = [sys.executable, "-m", "potato.export", "-c", "config.yaml", "-f", "jsonl", "-o", str(tmp_path)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    votes, _ = potato.read_votes(tmp_path / "annotations.jsonl", tables.utterances)
    assert set(votes.frame.select("utterance_id", "annotator_id", "label").rows()) == set(expected)


def test_shared_votes_need_several_choices(tables: LinkedTables, tmp_path: Path) -> None:
    rows = [("a", "r", "human", "anger", 0.5), ("a", "r", "human", "yes", 0.5)]
    votes = Votes.check(pl.DataFrame(rows, list(Votes.required), orient="row"), LABELS)
    several = LinkedTables.of(tables.utterances, votes)
    assert potato.write_project(several, tmp_path, "https://host/")[0].startswith("https://host/ stands for")
    assert "annotation_type: multiselect" in (tmp_path / "config.yaml").read_text()
    first = json.loads((tmp_path / "utterances.jsonl").read_text().splitlines()[1])
    assert first["audio"] == "https://host/a%20b.wav"
    back, _ = potato.read_votes(tmp_path, tables.utterances)
    assert back.frame.equals(several.votes.frame)
    unequal = Votes.check(votes.frame.with_columns(weight=pl.Series([0.75, 0.25])), LABELS)
    with pytest.raises(UserError, match="Potato only stores which labels"):
        potato.write_project(LinkedTables.of(tables.utterances, unequal), tmp_path)


MISTAKES = {
    "empty": ({}, "no annotation_output"),
    "not json": ({"r/user_state.json": "{"}, "expected what Potato keeps"),
    "wrong type": ({"r/user_state.json": '{"instance_id_to_label_to_value": {"a": 3}}'}, "expected what Potato keeps"),
    "other scheme": (
        {"r/user_state.json": '{"instance_id_to_label_to_value": {"a": [[{"schema": "mood", "name": "x"}, 1]]}}'},
        "found mood; name the one",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "words"), MISTAKES.values(), ids=MISTAKES)
def test_other_folders(tables: LinkedTables, tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=words) as error:
        potato.read_votes(tmp_path, tables.utterances)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("line", ["{", "[]", '{"instance_id": 3}', '{"instance_id": "a", "labels": [1]}'])
def test_lines_that_are_not_potato_s(tables: LinkedTables, tmp_path: Path, line: str) -> None:
    (tmp_path / "x.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(UserError, match=r"x\.jsonl:2: expected a line") as error:
        potato.read_votes(tmp_path / "x.jsonl", tables.utterances)
    assert "\n" not in str(error.value)


def test_what_is_not_chosen(tables: LinkedTables, tmp_path: Path) -> None:
    lines = [
        {"instance_id": "a", "user_id": "r", "labels": {"emotion": {"anger": False, "yes": "true"}}},
        {"instance_id": "b/2", "user_id": "r", "labels": {}},
        {"instance_id": "q", "labels": {"emotion": {"anger": "anger"}}},
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    votes, rejects = potato.read_votes(tmp_path / "x.jsonl", tables.utterances)
    assert votes.frame["label"].to_list() == ["yes"]
    assert rejects["reason"].to_list() == ["no label chosen", "vote for an unknown utterance"]


@pytest.mark.parametrize("value", [False, 0, "0", "False", "off", "", None])
def test_stored_values_that_mean_not_chosen(tables: LinkedTables, tmp_path: Path, value: object) -> None:
    line = {"instance_id": "a", "user_id": "r", "labels": {"emotion": {"anger": value, "neutral": "on"}}}
    (tmp_path / "x.jsonl").write_text(json.dumps(line))
    votes, _ = potato.read_votes(tmp_path / "x.jsonl", tables.utterances)
    assert votes.frame["label"].to_list() == ["neutral"]


def test_what_potato_1_kept_is_read(tables: LinkedTables, tmp_path: Path) -> None:
    file = tmp_path / "annotation_output/task/kim/annotated_instances.jsonl"
    file.parent.mkdir(parents=True)
    chosen = {"emotion": {"anger": "true"}}
    lines = [
        {"id": "a", "displayed_text": "", "label_annotations": chosen, "span_annotations": []},
        {"instance_id": "b/2", "user_id": "lou", "label_annotations": chosen},
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    for source in (file, tmp_path):
        votes, rejects = potato.read_votes(source, tables.utterances)
        assert votes.frame.select("utterance_id", "annotator_id", "label").rows() == [
            ("a", "kim", "anger"),
            ("b/2", "lou", "anger"),
        ]
        assert not rejects.height


def test_annotators_without_a_name_do_not_replace_each_other(tables: LinkedTables, tmp_path: Path) -> None:
    lines = [{"instance_id": "a", "labels": {"emotion": {label: label}}} for label in ("anger", "neutral")]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    votes, rejects = potato.read_votes(tmp_path / "x.jsonl", tables.utterances)
    assert sorted(votes.frame["label"]) == ["anger", "neutral"] and not rejects.height
