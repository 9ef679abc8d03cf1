"""Potato's tables and encodings: what its exporters and Potato 1 write is read like its own state."""

from __future__ import annotations

import codecs
import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables, potato
from ambivox.models.tables import Utterances, Votes

LABELS = ("anger", "joy: <b>'\"", "neutral", "yes", "- x", "very.sad")
ENCODINGS = {
    "utf-8": lambda text: text.encode(),
    "bom": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-be": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
}
CHOSEN = [("007", "r1", "joy: <b>'\""), ("a", "r1", "anger"), ("a", "r2", "very.sad"), ("b/2", "zoë", "yes")]


@pytest.fixture
def utterances(tmp_path: Path) -> Utterances:
    frame = pl.DataFrame(
        {
            "utterance_id": ["a", "b/2", "007"],
            "corpus": "x",
            "audio": [str(tmp_path / f"{name}.wav") for name in ("a", "b", "c")],
            "audio_sha256": "0" * 64,
            "duration_seconds": 0.2,
            "sample_rate_hz": 16_000,
            "split": "train",
        }
    )
    return Utterances.check(frame, LABELS)


def found(path: Path, utterances: Utterances, **options: Any) -> list[tuple[str, str, str]]:
    votes, rejects = potato.read_votes(path, utterances, **options)
    assert not rejects.height, rejects
    return votes.frame.select("utterance_id", "annotator_id", "label").rows()


def potato_1(
    separator: str, rows: list[tuple[str, str, str]] = CHOSEN, scheme: str = "emotion", value: str = "true"
) -> str:
    """annotated_instances as Potato 1 writes it by pandas: a column per label that anybody chose."""
    labels = sorted({label for _, _, label in rows})
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    columns = [f"{scheme}:::{label}" for label in labels]
    writer.writerow(
        ["user", "instance_id", "displayed_text", *columns, "sure:::very", "span_annotation:::anger"]
    )
    for utterance, user, label in rows:
        cells = [value if label == other else "" for other in labels]
        writer.writerow(
            [user, utterance, f'Hi, {separator}\n"{utterance}"; we\'re | here', *cells, "5", "[]"]
        )
    return text.getvalue()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("tsv", "\t")])
def test_tables_of_potato_1(
    tmp_path: Path, utterances: Utterances, suffix: str, separator: str, encoding: str
) -> None:
    file = tmp_path / "annotation_output" / f"annotated_instances.{suffix}"
    file.parent.mkdir()
    file.write_bytes(ENCODINGS[encoding](potato_1(separator)))
    assert found(file, utterances) == CHOSEN
    assert found(tmp_path, utterances) == CHOSEN


@pytest.mark.parametrize("value", ["true", "1", "1.0", "3", "on", "True"])
def test_values_that_mean_chosen(tmp_path: Path, utterances: Utterances, value: str) -> None:
    (tmp_path / "annotated_instances.csv").write_text(potato_1(",", value=value))
    assert found(tmp_path / "annotated_instances.csv", utterances) == CHOSEN


@pytest.mark.parametrize("format_", ["csv", "tsv", "jsonl"])
def test_what_potato_s_own_exporter_writes(tmp_path: Path, utterances: Utterances, format_: str) -> None:
    rows = [(utterance, user, "human", label, 1.0) for utterance, user, label in CHOSEN]
    votes = Votes.check(pl.DataFrame(rows, list(Votes.required), orient="row"), LABELS)
    potato.write_project(LinkedTables.of(utterances, votes), tmp_path)
    out = tmp_path / "exported"
    command = [sys.executable, "-m", "potato.export", "-c", "config.yaml", "-f", format_, "-o", str(out)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert found(out / f"annotations.{format_}", utterances) == CHOSEN
    assert found(out, utterances) == CHOSEN


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "name", ["annotations.jsonl", "annotated_instances.json", "list.json", "r1/user_state.json"]
)
def test_json_in_any_unicode(tmp_path: Path, utterances: Utterances, name: str, encoding: str) -> None:
    lines = [
        {"instance_id": utterance, "user_id": user, "labels": {"emotion": {label: label}}}
        for utterance, user, label in CHOSEN
    ]
    text = json.dumps(lines, ensure_ascii=False) if name == "list.json" else "\n".join(map(json.dumps, lines))
    expected = CHOSEN
    if name.endswith("state.json"):
        state = {
            "user_id": "zoë",
            "instance_id_to_label_to_value": {"a": [[{"schema": "emotion", "name": "yes"}, "yes"]]},
        }
        text, expected = json.dumps(state, ensure_ascii=False), [("a", "zoë", "yes")]
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(ENCODINGS[encoding](text))
    assert found(file, utterances) == expected


def test_the_final_answer_of_a_single_choice_counts(tmp_path: Path, utterances: Utterances) -> None:
    (tmp_path / "annotations.csv").write_text(
        "instance_id,user_id,emotion.anger,emotion.neutral,emotion,other._spans\n"
        "a,r1,anger,neutral,neutral,[]\nb/2,r1,anger,,,\n"
    )
    assert found(tmp_path, utterances) == [("a", "r1", "neutral"), ("b/2", "r1", "anger")]


def test_a_column_of_labels(tmp_path: Path, utterances: Utterances) -> None:
    (tmp_path / "annotations.csv").write_text("instance_id,emotion,confidence\na,anger,0.9\nb/2,yes,0.8\n")
    votes, rejects = potato.read_votes(tmp_path, utterances)
    assert votes.frame["label"].to_list() == ["anger", "yes"] and not rejects.height


@pytest.mark.parametrize("separator", [":::", "."])
@pytest.mark.parametrize("scheme", ["mood", "my.mood", "a b"])
def test_other_schemes(tmp_path: Path, utterances: Utterances, scheme: str, separator: str) -> None:
    table = f"instance_id,user,{scheme}{separator}very.sad,sure{separator}yes\na,r,true,yes\n"
    (tmp_path / "annotations.csv").write_text(table)
    assert found(tmp_path, utterances, control=scheme) == [("a", "r", "very.sad")]
    with pytest.raises(UserError, match="no annotation scheme of the name 'emotion'") as error:
        potato.read_votes(tmp_path, utterances)
    assert "sure" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["llm", "tool"])
@pytest.mark.parametrize("name", ["annotations.csv", "annotations.jsonl", "bot/user_state.json"])
def test_programs_are_no_raters(tmp_path: Path, utterances: Utterances, kind: str, name: str) -> None:
    line = {
        "instance_id": "a",
        "user_id": "bot",
        "annotator_origin": {"kind": kind},
        "labels": {"emotion": {"yes": "yes"}},
    }
    chosen = {"a": [[{"schema": "emotion", "name": "yes"}, "yes"]]}
    contents = {
        "annotations.csv": f"instance_id,user_id,annotator_origin,emotion.yes\na,bot,{kind},yes\na,r,human,yes\n",
        "annotations.jsonl": json.dumps(line),
        "bot/user_state.json": json.dumps(
            {"origin": {"kind": kind}, "instance_id_to_label_to_value": chosen}
        ),
    }
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(contents[name])
    votes, rejects = potato.read_votes(tmp_path / name, utterances)
    assert votes.frame["annotator_id"].to_list() == (["r"] if name.endswith("csv") else [])
    assert rejects.select("reason", "detail").rows() == [
        ("vote of an ALM or a program (import-annotations takes them)", "bot")
    ]


def test_the_file_of_all_annotators_of_potato_1(tmp_path: Path, utterances: Utterances) -> None:
    """Its lines name nobody; the folders of the annotators beside it do."""
    line = {"id": "a", "label_annotations": {"emotion": {"anger": "true"}}}
    task = tmp_path / "annotation_output/task"
    for name in ("kim", "lou"):
        (task / name).mkdir(parents=True)
        (task / name / "annotated_instances.jsonl").write_text(json.dumps(line))
    (task / "annotated_instances.jsonl").write_text(f"{json.dumps(line)}\n{json.dumps(line)}")
    assert found(tmp_path, utterances) == [("a", "kim", "anger"), ("a", "lou", "anger")]
    assert found(task, utterances) == [("a", "kim", "anger"), ("a", "lou", "anger")]
    with pytest.raises(UserError, match=r"names no annotators; give the folder .*task, in which .*kim, lou"):
        potato.read_votes(task / "annotated_instances.jsonl", utterances)
    alone = tmp_path / "downloads/annotated_instances.jsonl"
    alone.parent.mkdir()
    alone.write_bytes((task / "annotated_instances.jsonl").read_bytes())
    votes, rejects = potato.read_votes(alone, utterances)
    assert len(votes) == 2 and not rejects.height


MISTAKES = {
    "no choices": ({"annotations.csv": "instance_id,user,text\na,r,x\n"}, "no column holds choices"),
    "no items": ({"annotations.csv": "user,emotion:::yes\nr,true\n"}, "instance_id"),
    "empty": ({"annotations.tsv": ""}, "the file is empty"),
    "two": (
        {"annotations.csv": potato_1(","), "annotations.jsonl": ""},
        r"several results of Potato: annotations\.csv, annotations\.jsonl; name the one to read by --source",
    ),
    "latin": ({"annotations.jsonl": b'{"id": "z\xf6"}'}, "not text in UTF-8 or UTF-16"),
    "list": ({"annotations.json": "[1]"}, "expected a list of Potato's annotations"),
    "labels": ({"annotations.csv": potato_1(",", [("a", "r", "hot")])}, "all labels are unknown"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(tmp_path: Path, utterances: Utterances, files: dict[str, str | bytes], words: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=words) as error:
        potato.read_votes(tmp_path, utterances)
    assert "\n" not in str(error.value)
