"""checks.json: files of all versions are read, and audio-insensitive annotators are left out of pooling."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.annotation.checks_file import drop_audio_insensitive, read_checks
from ambivox.models.errors import UserError
from ambivox.models.tables import Distributions, Votes
from tests.support.annotation_fixtures import LABELS
from tests.support.steps import pool


def annotations_file(folder: Path, **checks: object) -> Path:
    """The path of an annotations file, with these checks beside it."""
    folder.mkdir()
    if checks:
        (folder / "checks.json").write_text(json.dumps(checks))
    return folder / "annotations.parquet"


@pytest.mark.parametrize("key", ["audio_sensitive", "hears"])
def test_audio_insensitive_annotators_are_left_out(tmp_path, key):
    sensitive, insensitive, text_only = (
        annotations_file(tmp_path / name, **{key: value})
        for name, value in {"a": True, "b": False, "c": None}.items()
    )
    unchecked = annotations_file(tmp_path / "d")
    files = (sensitive, insensitive, text_only, unchecked)
    kept, sentences = drop_audio_insensitive(files)
    assert kept == (sensitive, text_only, unchecked)
    assert [sentence.split(" (")[0] for sentence in sentences] == [f"{tmp_path / 'b'} is audio-insensitive"]
    assert drop_audio_insensitive(files, allow_audio_insensitive=True) == (files, [])


@pytest.mark.parametrize("key", ["audio_sensitive", "hears"])
def test_the_sentence_names_the_alm_and_the_option(tmp_path, key):
    kept, (sentence,) = drop_audio_insensitive(
        (annotations_file(tmp_path / "a", alm="deaf", **{key: False}),)
    )
    assert kept == ()
    assert sentence.startswith("deaf is audio-insensitive")
    assert "--allow-audio-insensitive" in sentence


def test_no_files_are_no_error():
    assert drop_audio_insensitive(()) == ((), [])


def test_checks_of_earlier_versions_have_the_present_keys(tmp_path):
    modalities = {"each": {}, "js": {"audio / both": 0.25}}
    present = {"audio_sensitive": True, "modalities": modalities, "modality": "both", "answers": 3}
    earlier = {"hears": True, "arms": modalities, "arm": "both", "answers": 3}
    for name, content in {"present": present, "earlier": earlier}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        assert read_checks(tmp_path / f"{name}.json") == present


def test_a_missing_file_is_empty_and_a_damaged_one_is_an_error(tmp_path):
    assert read_checks(tmp_path / "checks.json") == {}
    for content in ("{", "[]"):
        (tmp_path / "checks.json").write_text(content)
        with pytest.raises(UserError, match=r"expected what annotate wrote, .*; run that step again"):
            read_checks(tmp_path / "checks.json")


def test_the_step_pool_pools_human_votes_where_no_annotator_is_left(tmp_path, make_utterances):
    rows = pl.DataFrame(
        {
            "utterance_id": ["u0001"],
            "annotator_id": ["h"],
            "annotator_kind": ["human"],
            "label": [LABELS[0]],
            "weight": [1.0],
        }
    )
    votes = Votes.check(rows, LABELS).write(tmp_path / "votes.parquet")
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "annotations.parquet"
    (tmp_path / "a" / "checks.json").write_text(json.dumps({"audio_sensitive": False, "alm": "deaf"}))
    pool(utterances=make_utterances(4), votes=votes, annotations=path, out=tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "pooling.json").read_text())
    assert summary["alms"] == {}
    assert summary["left_out"][0].startswith("deaf is audio-insensitive")
    human, pooled = (
        Distributions.read(tmp_path / f"out/{name}.parquet") for name in ("human_mixture", "pooled")
    )
    assert human.frame.select(LABELS).equals(pooled.frame.select(LABELS))
