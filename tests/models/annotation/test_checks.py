"""An annotator that does not hear is left out of pooling, unless the user insists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ambivox.models.annotation.checks import drop_audio_insensitive
from ambivox.models.errors import UserError


def annotations(folder: Path, hears: object = "unchecked") -> Path:
    """The path of an annotations file with these checks beside it."""
    folder.mkdir()
    if hears != "unchecked":
        (folder / "checks.json").write_text(json.dumps({"hears": hears}))
    return folder / "annotations.parquet"


def test_the_deaf_are_left_out(tmp_path):
    good, deaf, silent, unchecked = (
        annotations(tmp_path / name, hears)
        for name, hears in {"a": True, "b": False, "c": None, "d": "unchecked"}.items()
    )
    assert drop_audio_insensitive((good, deaf, silent, unchecked)) == (good, silent, unchecked)
    assert drop_audio_insensitive((good, deaf), insist=True) == (good, deaf)


def test_when_none_hears_it_is_said(tmp_path):
    with pytest.raises(UserError, match=r"does not hear.*--insist"):
        drop_audio_insensitive((annotations(tmp_path / "a", False),))


def test_the_step_pool_asks(tmp_path, make_utterances):
    import polars as pl

    from ambivox.models.tables import Votes
    from tests.support.steps import pool
    from tests.support.annotation_fixtures import LABELS

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
    with pytest.raises(UserError, match="does not hear"):
        pool(
            utterances=make_utterances(4),
            votes=votes,
            annotations=annotations(tmp_path / "a", False),
            out=tmp_path / "out",
        )
