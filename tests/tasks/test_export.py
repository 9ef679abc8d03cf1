"""export and import_votes, as the user runs them: there and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models import exchange
from ambivox.models.errors import UserError
from ambivox.models.registry import keys
from ambivox.models.tables import Distributions, Utterances, Votes
from tests.support.steps import export, import_votes

LABELS = ("anger", "neutral")


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    """Twenty utterances with four votes each, as files."""
    rng = np.random.default_rng(0)
    ids = [f"u{number:02}" for number in range(20)]
    utterances = pl.DataFrame(
        {
            "utterance_id": ids,
            "corpus": "test",
            "audio": [f"{name}.wav" for name in ids],
            "audio_sha256": "0" * 64,
            "duration_seconds": 1.0,
            "sample_rate_hz": 16_000,
            "split": ["train"] * 12 + ["test"] * 8,
        }
    )
    votes = [(name, f"r{rater}", "human", LABELS[rng.integers(2)], 1.0) for name in ids for rater in range(4)]
    p_NK = rng.dirichlet([1, 1], 20)
    return {
        "utterances": Utterances.check(utterances, LABELS).write(tmp_path / "utterances.parquet"),
        "votes": Votes.check(pl.DataFrame(votes, list(Votes.required), orient="row"), LABELS).write(
            tmp_path / "v.parquet"
        ),
        "distributions": Distributions.of(pl.Series(ids), "pooled", p_NK, LABELS).write(
            tmp_path / "d.parquet"
        ),
    }


@pytest.mark.parametrize("key", [key for key in keys(exchange) if key != "argilla"])
def test_there_and_back(tables: dict[str, Path], tmp_path: Path, key: str) -> None:
    out = export(**tables, out=tmp_path / "out", format=key)
    source = out / "tasks.json" if key == "label_studio" else out
    back = import_votes(source=source, utterances=tables["utterances"], out=tmp_path / "back", format=key)
    assert Votes.read(back / "votes.parquet").frame.equals(Votes.read(tables["votes"]).frame)
    assert pl.read_parquet(back / "rejects.parquet").height == 0


def test_argilla_takes_no_votes_of_others(tables: dict[str, Path], tmp_path: Path) -> None:
    out = export(**tables, out=tmp_path / "out", format="argilla", audio_url="https://host/")
    assert len(json.loads((out / "records.json").read_text())) == 20
    back = import_votes(
        source=out,
        utterances=tables["utterances"],
        out=tmp_path / "back",
        format="argilla",
        votes=tables["votes"],
    )
    assert Votes.read(back / "votes.parquet").frame.equals(Votes.read(tables["votes"]).frame)


@pytest.mark.parametrize("key", ["doccano", "_opinions", "label_studio.tasks", "../csv", ""])
def test_unknown_formats(tables: dict[str, Path], tmp_path: Path, key: str) -> None:
    for run in (
        lambda: export(**tables, out=tmp_path / "out", format=key),
        lambda: import_votes(
            source=tmp_path, utterances=tables["utterances"], out=tmp_path / "o", format=key
        ),
    ):
        with pytest.raises(UserError, match=r"unknown format .*; known: argilla, audformat, csv, hugging"):
            run()
    assert not (tmp_path / "out").exists()


def test_one_split_only(tables: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = export(**tables, out=tmp_path / "out", format="parquet", splits=("test",))
    assert (
        len(Utterances.read(out / "utterances.parquet"))
        == len(Distributions.read(out / "distributions.parquet"))
        == 8
    )
    assert "left out: 48 votes about other utterances" in capsys.readouterr().out


def test_new_votes_are_added_and_replace_an_annotator_s_older(
    tables: dict[str, Path], tmp_path: Path
) -> None:
    def task(name: str, annotator: str, label: str) -> dict[str, object]:
        result = [{"from_name": "emotion", "value": {"choices": [label]}}]
        return {
            "data": {"utterance_id": name},
            "annotations": [{"completed_by": {"email": annotator}, "result": result}],
        }

    source = tmp_path / "result.json"
    source.write_text(
        json.dumps([task("u00", "r1", "anger"), task("u00", "new", "neutral"), task("u01", "new", "anger")])
    )
    out = import_votes(
        source=source, utterances=tables["utterances"], out=tmp_path / "out", votes=tables["votes"]
    )
    votes = Votes.read(out / "votes.parquet").frame
    assert votes.height == 82
    assert votes.filter(utterance_id="u00", annotator_id="r1")["label"].to_list() == ["anger"]


def test_labels_must_agree(tables: dict[str, Path], tmp_path: Path) -> None:
    out = export(utterances=tables["utterances"], votes=tables["votes"], out=tmp_path / "out")
    wider = Utterances.check(Utterances.read(tables["utterances"]).frame, (*LABELS, "fear"))
    path = wider.write(tmp_path / "wider.parquet")
    with pytest.raises(UserError, match="the votes have the labels"):
        import_votes(source=out, utterances=path, out=tmp_path / "back", format="csv")


def test_the_folder_for_potato_s_audio_is_the_exported_one(
    tables: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = export(utterances=tables["utterances"], votes=tables["votes"], out=tmp_path / "p", format="potato")
    assert f"at {out}/media" in capsys.readouterr().out
