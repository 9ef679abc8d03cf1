"""The data card: what it states, and that text of the data cannot break its tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ambivox.models.reporting.data_card import card, facts
from ambivox.models.reporting.reading import Run
from ambivox.models.tables import Annotations
from tests.support.report_run import make_run


def test_the_card_states_the_facts_of_the_run(tmp_path: Path) -> None:
    content = facts(Run(make_run(tmp_path / "unit", 60)), "ODbL 1.0")
    assert content["splits"]["train"] == {"utterances": 15, "speakers": 3}
    assert content["worth"] == {"tiny": {"nll": "1.9 [1.2, 2.8]", "squared_error": "1.1 [0.6, 1.7]"}}
    assert content["equivalent_votes"] == {"tiny": {"value": 2.47, "low": 2.1, "high": 2.9}}
    assert list(content["metrics"]) == ["human", "synthetic", "combined", "pooled", "prior", "ceiling"]
    text = card("unit", "v1", content, "abc")
    for line in (
        "# unit v1",
        "| Licence | ODbL 1.0 |",
        "| Labels | angry, happy, neutral, sad |",
        "| Human votes | 180.0 |",
        "| Worth of tiny in further human votes, by nll (nats per vote) | 1.9 [1.2, 2.8] |",
        "| Equivalent votes (κ) of tiny | 2.47 [2.10, 2.90] |",
        "| train | 15 | 3 |",
        "| tiny | abc123 | exact | fake | 45 | 0 | 0.97 |",
        "| pooled | – | – | 0.160 [0.152, 0.169] | 0.870 | 72.0% |",
        "| corpus prior | – | – | 0.317 [0.310, 0.324] | 0.710 | 40.0% |",
        f"| validation/metrics.json | `{content['files']['validation/metrics.json']}` |",
        "dvc get --rev unit-v1 REPOSITORY data/unit/distributions",
    ):
        assert line in text.splitlines()


def test_the_card_lists_the_answers_of_every_alm(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", 24)
    first = Annotations.read(root / "annotations/annotations.parquet")
    further = "annotations/further/01-another/annotations.parquet"
    another = first.frame.with_columns(alm=pl.lit("another"))
    Annotations.check(another, first.labels).write(root / further)
    content = facts(Run(root), "MIT")
    names = list(content["files"])
    assert names.index(further) == names.index("annotations/annotations.parquet") + 1
    assert f"| {further} | `{content['files'][further]}` |" in card("unit", "v1", content, "abc").splitlines()
    assert [one["alm"] for one in content["annotators"]] == ["another", "tiny"]


def test_text_of_the_data_stays_in_its_cell(tmp_path: Path) -> None:
    content = facts(Run(make_run(tmp_path / "unit", 24)), "free | of\ncharge <b>" + "x" * 500)
    (line,) = (line for line in card("unit", "v1", content, "abc").splitlines() if "charge" in line)
    assert line.startswith(r"| Licence | free \| of charge &lt;b>xxx") and len(line) < 240


def test_a_run_without_validation_has_a_card(tmp_path: Path) -> None:
    text = card("unit", "v1", facts(Run(tmp_path), "MIT"), "abc")
    assert "| source | nll ↓ | squared error ↓ | JS ↓ | BC ↑ | accuracy ↑ |" in text
