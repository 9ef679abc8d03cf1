"""A corpus through its releases, from the files of their cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ambivox.models.files import write_json
from ambivox.models.reporting.releases_page import read_releases, releases_page
from tests.support.report_run import HOSTILE, Page


def card(version: str, nll: float, **more: Any) -> dict[str, Any]:
    pooled = {"nll": nll, "nll_low": nll - 0.02, "nll_high": nll + 0.02, "js": 0.2}
    content = {"name": "calls", "version": version, "utterances": 1200, "human_votes": 3600.0}
    return (
        content | {"metrics": {"pooled": pooled, "human": {"nll": None, "nll_infinite": 3, "js": 0.3}}} | more
    )


def write_cards(folder: Path, *cards: dict[str, Any]) -> list[dict[str, Any]]:
    for content in cards:
        write_json(folder / f"calls-{content['version']}.json", content)
    return read_releases(folder, "calls")


def test_versions_come_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "calls-v3.json").write_text("{half")
    write_json(tmp_path / "calls-v4.json", {"name": "calls"})
    write_json(tmp_path / "calls-v5-pooled.json", {"name": "another", "metrics": {}})
    found = write_cards(tmp_path, card("v10", 1.1), card("v2", 1.3), card("v2.1", 1.2))
    assert [release["version"] for release in found] == ["v2", "v2.1", "v10"]
    text = Page(releases_page("calls", found)).text
    assert "v10 against v2.1: pooled is better by nll (nats per vote), 1.10 [1.08, 1.12] against 1.20" in text
    assert "utterances 1,200 1,200 1,200" in text
    assert "human ∞ ∞ ∞" in text
    assert "pooled 1.300 [1.280, 1.320] 1.200 [1.180, 1.220] 1.100 [1.080, 1.120]" in text


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [(1.2, 1.21, "worse"), (1.2, 1.2, "unchanged"), (1.2, 1.19, "better")],
)
def test_small_changes_are_said_to_be_within_the_intervals(
    tmp_path: Path, before: float, now: float, said: str
) -> None:
    text = Page(releases_page("calls", write_cards(tmp_path, card("v1", before), card("v2", now)))).text
    assert f"pooled is {said} by nll" in text and "the intervals overlap" in text


def test_one_release_is_not_compared(tmp_path: Path) -> None:
    text = Page(releases_page("calls", write_cards(tmp_path, card("v1", 1.2)))).text
    assert "There is one release so far" in text


def test_releases_without_a_common_score(tmp_path: Path) -> None:
    found = write_cards(tmp_path, card("v1", 1.2, metrics={"pooled": {"bc": 0.8}}), card("v2", 1.2))
    assert "no score in common" in Page(releases_page("calls", found)).text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    annotators = [{"alm": HOSTILE, "revision": HOSTILE}, "nonsense"]
    found = write_cards(tmp_path, card("v1", 1.2, annotators=annotators, date=7, utterances=HOSTILE))
    page = Page(releases_page(HOSTILE, found))
    assert "alert('x')" in page.text
    assert not any(tag == "script" or "onerror" in attributes for tag, attributes in page.tags)
