"""pooling.json and data cards are read under their present keys and under those of earlier versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ambivox.models.reporting.sections.distributions import pooling

from ambivox.models.reporting.data_card import card
from ambivox.models.reporting.reading import Run

_VALUE = {"value": 2.47, "low": 2.1, "high": 2.9}


@pytest.mark.parametrize(
    ("key", "key_by_ambiguity"),
    [
        ("equivalent_votes", "equivalent_votes_by_ambiguity"),
        ("worth_in_human_votes", "worth_by_ambiguity"),
    ],
)
def test_equivalent_votes_under_both_keys(key: str, key_by_ambiguity: str, tmp_path: Path) -> None:
    alm = {key: _VALUE, key_by_ambiguity: {"low": 1.5, "medium": 2.0, "high": 3.1}}
    (tmp_path / "distributions").mkdir()
    (tmp_path / "distributions/pooling.json").write_text(json.dumps({"alms": {"tiny": alm}}))
    run = Run(tmp_path)
    assert run.equivalent_votes()["tiny"].value == 2.47
    assert pooling(run).sheets[0].rows == [["tiny", "1.50", "2.00", "3.10"]]
    assert "| tiny is worth | 2.47 [2.10, 2.90] human votes |" in card(
        "x", "1", {key: {"tiny": _VALUE}, "metrics": {}, "files": {}}, "r"
    )
