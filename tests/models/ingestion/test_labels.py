"""Schemas: what is merged, renamed or dropped, and that one annotator stays one vote."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.ingestion.labels import label_schema

LABELS = ("anger", "excitement", "fear", "happiness", "neutral", "sadness")
VOTES = pl.DataFrame(
    {
        "utterance_id": ["a", "a", "a", "a", "b", "c", "c"],
        "annotator_id": ["r1", "r2", "r2", "r3", "r1", "r1", "r1"],
        "label": ["anger", "happiness", "excitement", "fear", "fear", "anger", "fear"],
        "weight": [1.0, 0.5, 0.5, 1.0, 1.0, 0.25, 0.75],
    }
)


def test_full_changes_nothing() -> None:
    full = label_schema("full", LABELS)
    votes, dropped = full.map_votes(VOTES)
    assert votes.equals(VOTES)
    assert dropped == {}


def test_four_merges_and_counts_what_it_drops() -> None:
    four = label_schema("four", LABELS)
    assert four.labels == ("anger", "happiness", "neutral", "sadness")
    votes, dropped = four.map_votes(VOTES)
    assert sorted(votes.select("utterance_id", "annotator_id", "label", "weight").rows()) == [
        ("a", "r1", "anger", 1.0),
        ("a", "r2", "happiness", 1.0),
        ("c", "r1", "anger", 1.0),
    ]
    assert dropped == {"fear": 3}
    with pytest.raises(UserError, match="schema four: the corpus has no label"):
        label_schema("four", ("calm", "happiness", "neutral", "sadness"))


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_file_renames_merges_and_orders(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"schema.{suffix}"
    drop, groups = ["neutral"], {"up": ["happiness", "excitement"], "down": ["anger", "fear", "sadness"]}
    as_toml = f"drop = {drop}\n[labels]\nup = {groups['up']}\ndown = {groups['down']}\n"
    path.write_text(as_toml if suffix == "toml" else json.dumps({"drop": drop, "labels": groups}))
    mapping = label_schema(str(path), LABELS)
    assert mapping.labels == ("up", "down")
    votes, dropped = mapping.map_votes(VOTES)
    assert dropped == {}
    assert votes.filter(utterance_id="c").select("label", "weight").rows() == [("down", 1.0)]
    truth = pl.DataFrame(
        {"utterance_id": ["a", "b"]} | {label: [1 / 6, float(label == "neutral")] for label in LABELS}
    )
    mapped, gone = mapping.map_distributions(truth)
    assert mapped.row(0) == ("a", pytest.approx(2 / 5), pytest.approx(3 / 5))
    assert gone == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[labels]\nx = ["anger"]', r"labels \['excitement', .*'sadness'\] are neither mapped nor dropped"),
        ('drop = ["joy"]\n[labels]\nx = ["anger"]', "the corpus has no label 'joy'"),
        ('drop = ["anger"]\n[labels]\nx = ["anger"]', "label 'anger' is named twice"),
        ('[labels]\nx = "anger"', "needs a list of labels"),
        ('keep = ["anger"]', "expected a table 'labels'"),
        ("[labels", "not a readable schema file"),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "schema.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        label_schema(str(path), LABELS)


def test_no_such_schema() -> None:
    with pytest.raises(UserError, match="unknown schema 'five'; known: full, four"):
        label_schema("five", LABELS)
