"""Keys that Potato stores in place of labels: a 0 may be the key of the tenth label, or mean that nothing was chosen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.exchange import potato
from ambivox.models.tables import Utterances

LABELS = ("anger", "joy", "fear", "disgust", "sadness", "surprise", "neutral", "pride", "shame", "calm")
UTTERANCES = Utterances.check(
    pl.DataFrame(
        {
            "utterance_id": ["u1", "u2", "u3"],
            "corpus": "x",
            "audio": ["a.wav", "b.wav", "c.wav"],
            "audio_sha256": "0" * 64,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16_000,
            "split": "train",
        }
    ),
    LABELS,
)
SEQUENTIAL = f"""annotation_schemes:
- {{name: other, labels: [a]}}
- {{name: emotion, annotation_type: radio, sequential_key_binding: true, labels: [{", ".join(LABELS)}]}}
"""
EXPLICIT = """annotation_schemes:
- name: emotion
  labels: [{name: joy, key_value: 0}, {name: anger, key_value: a}, calm]
"""


def write(folder: Path, name: str, chosen: list[dict[str, Any]]) -> Path:
    """A result of Potato in one of its forms, with the values that r1 stored for u1, u2 and so on."""
    file = folder / "annotation_output" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    ids = [f"u{number}" for number in range(1, len(chosen) + 1)]
    if name.endswith("state.json"):
        stored = {
            item: [[{"schema": "emotion", "name": label}, value] for label, value in row.items()]
            for item, row in zip(ids, chosen, strict=True)
        }
        file.write_text(json.dumps({"user_id": "r1", "instance_id_to_label_to_value": stored}))
    elif name.endswith("csv"):
        labels = sorted({label for row in chosen for label in row})
        lines = [
            ",".join(["r1", item, *(str(row.get(label, "")) for label in labels)])
            for item, row in zip(ids, chosen, strict=True)
        ]
        header = ",".join(["user", "instance_id", *(f"emotion:::{label}" for label in labels)])
        file.write_text("\n".join([header, *lines]))
    else:
        rows = [
            {"instance_id": item, "user_id": "r1", "labels": {"emotion": row}}
            for item, row in zip(ids, chosen, strict=True)
        ]
        file.write_text("\n".join(map(json.dumps, rows)))
    return file


def votes(path: Path) -> list[tuple[str, str]]:
    return list(potato.read_votes(path, UTTERANCES)[0].frame.select("utterance_id", "label").iter_rows())


@pytest.mark.parametrize("name", ["annotations.jsonl", "annotations.csv", "r1/user_state.json"])
@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([{"anger": "1"}, {"calm": "0"}], [("u1", "anger"), ("u2", "calm")]),
        ([{"joy": "2", "calm": "0"}, {"anger": "1"}], [("u1", "calm"), ("u1", "joy"), ("u2", "anger")]),
        # Unchecked boxes, beside checked ones.
        ([{"anger": "1", "calm": "0"}, {"anger": "0", "calm": "1"}], [("u1", "anger"), ("u2", "calm")]),
        ([{"anger": "1", "calm": "0"}], [("u1", "anger")]),
        ([{"anger": "true", "calm": "0"}, {"calm": "0"}], [("u1", "anger")]),
    ],
)
def test_a_zero_without_a_configuration(
    tmp_path: Path, name: str, stored: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert votes(write(tmp_path, name, stored)) == expected


@pytest.mark.parametrize("name", ["annotations.jsonl", "annotations.csv", "r1/user_state.json"])
@pytest.mark.parametrize(
    ("configuration", "stored", "expected"),
    [
        (SEQUENTIAL, [{"calm": "0"}], [("u1", "calm")]),
        (SEQUENTIAL, [{"anger": "1", "calm": "0"}], [("u1", "anger"), ("u1", "calm")]),
        (SEQUENTIAL, [{"0": "true"}, {"3": "3"}], [("u1", "calm"), ("u2", "fear")]),
        (EXPLICIT, [{"joy": "0"}, {"anger": "a", "calm": "0"}], [("u1", "joy"), ("u2", "anger")]),
        ("annotation_schemes: 3", [{"anger": "1", "calm": "0"}], [("u1", "anger")]),
        ("{", [{"anger": "1", "calm": "0"}], [("u1", "anger")]),
    ],
)
def test_the_configuration_says_which_keys_there_are(
    tmp_path: Path,
    name: str,
    configuration: str,
    stored: list[dict[str, Any]],
    expected: list[tuple[str, str]],
) -> None:
    (tmp_path / "config.yaml").write_text(configuration)
    file = write(tmp_path, name, stored)
    assert votes(tmp_path) == votes(file) == expected


def test_a_number_that_no_configuration_explains_is_no_label(tmp_path: Path) -> None:
    file = write(tmp_path, "annotations.jsonl", [{"anger": "anger"}, {"0": "0"}])
    found, rejects = potato.read_votes(file, UTTERANCES)
    assert found.labels == LABELS
    assert found.frame["label"].to_list() == ["anger"]
    assert rejects.select("utterance_id", "reason", "detail").rows() == [("u2", "unknown label", "0")]
    file.write_text(json.dumps({"instance_id": "u1", "labels": {"emotion": {"0": "0"}}}))
    with pytest.raises(UserError, match=r"all labels are unknown; found '0' \(numbers may be keys"):
        potato.read_votes(file, UTTERANCES)
