"""checks.json: files of all versions are read, and audio-insensitive annotators are left out of pooling."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.annotation.checks_file import drop_audio_insensitive, read_checks
from ambivox.models.errors import UserError
from ambivox.models.tables import Votes
from tests.support.annotation_fixtures import LABELS
from tests.support.steps import pool


def annotations(folder: Path, **checks: object) -> Path:
    """The path of an annotations file, with these checks beside it."""
    folder.mkdir()
    if checks:
        (folder / "checks.json").write_text(json.dumps(checks))
    return folder / "annotations.parquet"


@pytest.mark.parametrize("key", ["audio_sensitive", "hears"])
def test_audio_insensitive_annotators_are_left_out(tmp_path, key):
    sensitive, insensitive, text_only = (
        annotations(tmp_path / name, **{key: value})
        for name, value in {"a": True, "b": False, "c": None}.items()
    )
    unchecked = annotations(tmp_path / "d")
    files = (sensitive, insensitive, text_only, unchecked)
    assert drop_audio_insensitive(files) == (sensitive, text_only, unchecked)
    assert drop_audio_insensitive(files, allow_audio_insensitive=True) == files


@pytest.mark.parametrize("key", ["audio_sensitive", "hears"])
def test_it_is_an_error_when_no_annotator_is_left(tmp_path, key):
    with pytest.raises(UserError, match=r"audio-insensitive.*--allow-audio-insensitive"):
        drop_audio_insensitive((annotations(tmp_path / "a", **{key: False}),))


def test_no_files_are_no_error():
    assert drop_audio_insensitive(()) == ()


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
        with pytest.raises(UserError, match="run annotate again"):
            read_checks(tmp_path / "checks.json")


def test_the_step_pool_checks_its_annotators(tmp_path, make_utterances):
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
    with pytest.raises(UserError, match="audio-insensitive"):
        pool(
            utterances=make_utterances(4),
            votes=votes,
            annotations=annotations(tmp_path / "a", audio_sensitive=False),
            out=tmp_path / "out",
        )
