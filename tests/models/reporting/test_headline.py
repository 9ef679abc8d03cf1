"""The verdict: it follows the metrics, states what is not significant, and states where pooling is worse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ambivox.models.files import write_json
from ambivox.models.reporting.headline import headline
from ambivox.models.reporting.picture_messages import picture_message
from ambivox.models.reporting.reading import Run
from tests.support.report_run import make_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_run(tmp_path / "unit", 24)


def change_js(root: Path, **js: object) -> None:
    """Replace the JS of sources in metrics.json."""
    metrics = json.loads((root / "validation/metrics.json").read_text())
    for source, value in js.items():
        metrics[source]["js"] = value
    write_json(root / "validation/metrics.json", metrics)


@pytest.mark.parametrize(
    ("pooled", "expected"),
    [(0.25, "Pooling is harmful here"), (0.2281, "Pooling makes no difference"), (0.2, "Pooling helps")],
)
def test_verdict_follows_the_figures(root: Path, pooled: float, expected: str) -> None:
    change_js(root, pooled=pooled)
    assert headline(Run(root)).sentences[0].startswith(expected)


def test_verdict_owns_up_to_chance_and_to_harm(root: Path) -> None:
    details = json.loads((root / "validation/details.json").read_text())
    details["paired_tests"][0]["p_holm"] = 0.465
    details["tertiles"]["paper"]["low"] = {"human": {"js": 0.1}, "pooled": {"js": 0.128}}
    write_json(root / "validation/details.json", details)
    verdict, exception = headline(Run(root)).sentences[:2]
    assert verdict.startswith("Pooling is closer, but the difference is not significant: with 3 human votes")
    assert "p = 0.465" in verdict
    assert exception == (
        "Exception: pooled is further from the human distribution at low ambiguity (JS 0.128 against 0.100)."
    )


@pytest.mark.parametrize(
    ("synthetic", "expected"),
    [
        ({"value": 0.2, "low": 0.19, "high": 0.21}, "The ALM is informative"),
        ({"value": 0.31, "low": 0.3, "high": 0.32}, "not clearly better than the corpus prior"),
        ({"value": 0.4, "low": 0.39, "high": 0.41}, "no better than the corpus prior"),
    ],
)
def test_the_alm_is_compared_with_the_corpus_prior(
    root: Path, synthetic: dict[str, float], expected: str
) -> None:
    change_js(root, synthetic=synthetic)
    assert any(expected in sentence for sentence in headline(Run(root)).sentences)


def test_the_best_source_is_never_a_reference(root: Path) -> None:
    rows = headline(Run(root)).rows
    assert [row.key for row in rows] == ["human", "synthetic", "combined", "pooled", "prior", "ceiling"]
    assert [row.key for row in rows if row.is_best] == ["pooled"]


def test_without_metrics_there_is_no_table(tmp_path: Path) -> None:
    assert headline(Run(tmp_path)).rows == []


def test_a_source_made_from_the_target_is_not_called_the_closest(root: Path) -> None:
    path = root / "validation/metrics.json"
    metrics = json.loads(path.read_text())
    for key in ("human", "combined"):
        metrics[key]["made_from_the_target"] = True
    path.write_text(json.dumps(metrics))
    rows = headline(Run(root)).rows
    assert not {"human", "combined"} & {row.key for row in rows}
    assert [row.key for row in rows if row.is_best] == ["pooled"]
    metrics["pooled"]["made_from_the_target"] = True
    path.write_text(json.dumps(metrics))
    # The only one that is left is not the closest of anything.
    assert not any(row.is_best for row in headline(Run(root)).rows)
    metrics["synthetic"]["made_from_the_target"] = True
    path.write_text(json.dumps(metrics))
    assert headline(Run(root)).sentences[0].startswith("No human votes were held out")
    assert picture_message(Run(root), "validation", "sources") == ""
