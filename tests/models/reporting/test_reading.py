"""Reading the outputs of a run: of this version and of earlier ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.reporting.estimates import Estimate
from ambivox.models.reporting.page import page
from ambivox.models.reporting.reading import Run, with_present_keys
from tests.support.report_run import Page, make_run

#: File, its content by an earlier version, and what it is read as.
EARLIER = [
    (
        "metrics.json",
        {"pooled": {"macro_f1": 0.5, "weighted_f1": 0.6}},
        {"pooled": {"f1_macro": 0.5, "f1_weighted": 0.6}},
    ),
    (
        "pooling.json",
        {
            "alms": {
                "tiny": {"worth_in_human_votes": 2.0, "worth_by_ambiguity": {"low": 1.0}, "informs": True}
            }
        },
        {
            "alms": {
                "tiny": {
                    "equivalent_votes": 2.0,
                    "equivalent_votes_by_ambiguity": {"low": 1.0},
                    "is_informative": True,
                }
            }
        },
    ),
    (
        "checks.json",
        {"hears": True, "arm": "both", "arms": {"js": {}}},
        {"audio_sensitive": True, "modality": "both", "modalities": {"js": {}}},
    ),
    ("augmentation.json", {"left_out": 3}, {"rejects": 3}),
]


@pytest.mark.parametrize(("name", "earlier", "present"), EARLIER)
def test_keys_of_earlier_versions_are_read_under_the_present_ones(
    tmp_path: Path, name: str, earlier: dict[str, object], present: dict[str, object]
) -> None:
    write_json(tmp_path / name, earlier)
    assert Run(tmp_path).json(name) == present
    assert with_present_keys(name, present) == present


def test_the_present_key_wins_and_other_files_keep_their_keys() -> None:
    both = {"macro_f1": 0.1, "f1_macro": 0.2}
    assert with_present_keys("metrics.json", both) == {"f1_macro": 0.2}
    assert with_present_keys("profile.json", both) == both


def test_a_run_of_an_earlier_version_is_reported_in_full(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", 24)
    content = json.loads((root / "distributions/pooling.json").read_text())
    del content["alms"]["tiny"]["worth"]  # earlier versions had none
    write_json(root / "distributions/pooling.json", content)
    present = Page(page(root))
    assert "is worth" not in present.text
    value = {"value": 2.47, "low": 2.1, "high": 2.9}
    levels = {"low": 1.5, "high": 3.1}
    alm = {"worth_in_human_votes": value, "worth_by_ambiguity": levels}
    write_json(root / "distributions/pooling.json", {"alms": {"tiny": alm}})
    assert Run(root).equivalent_votes() == {"tiny": Estimate(2.47, 2.1, 2.9)}
    earlier = Page(page(root))
    assert re.sub("[0-9a-f]{64}", "", earlier.text) == re.sub("[0-9a-f]{64}", "", present.text)


def test_missing_files_are_absent_and_damaged_ones_are_errors(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.json("validation/metrics.json") == {} and run.frame("ingest/rejects.parquet") is None
    assert run.utterances is None and run.annotations is None and run.distributions == {}
    for name in ("validation/metrics.json", "ingest/rejects.parquet", "ingest/utterances.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{half")
    with pytest.raises(UserError, match=r"metrics\.json: expected what validate or evaluate wrote, found no"):
        run.json("validation/metrics.json")
    with pytest.raises(UserError, match=r"rejects\.parquet: not a readable Parquet file"):
        run.frame("ingest/rejects.parquet")
    with pytest.raises(UserError, match=r"utterances\.parquet: not a readable Parquet file"):
        assert Run(tmp_path).utterances
