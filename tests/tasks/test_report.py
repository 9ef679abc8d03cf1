"""The step report: one page that needs nothing else, equal for equal inputs, and safe against text from the data."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from tests.support.report_run import HOSTILE, Page, make_run
from tests.support.steps import report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "unit")


def test_the_trial_says_what_an_alm_is_worth_where_there_is_one(run: Path, tmp_path: Path) -> None:
    """Its test speakers have more votes than those that pooling measures on."""
    rate = {"text": "4.2 [3.0, 5.5]", "is_extrapolated": False}
    copy = Path(shutil.copytree(run, tmp_path / "unit"))
    (copy / "trial").mkdir(exist_ok=True)
    trial = copy / "trial" / "trial.json"
    content = json.loads(trial.read_text()) if trial.is_file() else {}
    trial.write_text(json.dumps(content | {"worth": {"3": {"tiny": {"nll": {"overall": rate}}}}}))
    text = Page(report(data=copy, out=tmp_path / "r.html").read_text()).text
    assert "Beside 3 human votes, tiny is worth 4.2 [3.0, 5.5] further human votes (by nll)" in text


def test_every_figure_on_a_phone_is_named_by_its_column(run: Path, tmp_path: Path) -> None:
    page = report(data=run, out=tmp_path / "r.html").read_text()
    row = page.split('<tr class="pooled')[1].split("</tr>")[0]
    assert re.findall(r'data-measure="([^"]+)"', row) == [
        "nll ↓",
        "squared error ↓",
        "JS ↓",
        "BC ↑",
        "accuracy ↑",
    ]


def test_headline_says_what_the_figures_say(run: Path, tmp_path: Path) -> None:
    text = Page(report(data=run, out=tmp_path / "r.html").read_text()).text
    assert "with 3 human votes per utterance, the pooled distribution is 30% closer" in text
    assert (
        "JS 0.160 [0.152, 0.169] against 0.228 [0.219, 0.236]; paired test over speakers: p < 0.001" in text
    )
    assert "Beside 3 human votes, tiny is worth 1.9 [1.2, 2.8] further human votes (by nll)" in text
    assert "pooled 0.200 [0.190, 0.210] – 0.200 [0.190, 0.210]" in text
    assert "JS (base 2) by sex of the speaker" in text
    assert "120 utterances of 12 speakers" in text
    for figure in ("0.118 [0.112, 0.123]", "0.317 [0.310, 0.324]", "72.0%"):
        assert figure in text


def test_the_sparse_vote_trial_is_a_table_and_a_picture(tmp_path: Path) -> None:
    root = make_run(tmp_path / "run")
    (root / "trial").mkdir()
    row = {"votes": 3, "source": "pooled", "js": {"value": 0.178, "low": 0.172, "high": 0.185}}
    row |= {"over_human": {"value": 0.7301, "low": 0.7, "high": 0.75}}
    row |= {"entropy": {"low": 0.981, "medium": 0.742, "high": 0.643}}
    ratio = {"squared_error_over_human": {"value": 0.41, "low": 0.37, "high": 0.46}}
    raw = {"votes": 3, "source": "human", "nll": None, "nll_infinite": 9, "squared_error": {"value": 0.171}}
    raw |= {"independent_votes": {"low": ratio, "medium": ratio, "high": None}}
    (root / "trial" / "trial.json").write_text(json.dumps({"rows": [row, raw], "mean_kappa": {}}))
    (root / "trial" / "trial.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>')
    report(data=root, out=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    section = page[page.index("sparse-vote trial") :]
    assert all(
        figure in section
        for figure in ("0.730 [0.700, 0.750]", "0.981", "0.742", "0.643", "∞", "0.410 [0.370, 0.460]")
    )
    said = "squared error relative to the human votes alone, by votes kept and ambiguity. Pooled, by human votes kept: "
    assert (
        f'alt="Figure. Sparse-vote trial: {said}' not in section
    )  # there is no ratio of pooled in this trial
    assert (
        'alt="Figure. Sparse-vote trial: squared error relative to the human votes alone, by votes kept'
        in section
    )


def test_page_asks_for_nothing_else(run: Path, tmp_path: Path) -> None:
    page = Page(report(data=run, out=tmp_path / "r.html").read_text())
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#", "data:image/", "data:audio/")), (
                tag,
                name,
                value[:80],
            )
        assert not any(name.startswith("on") for name in attributes)


def test_same_inputs_same_bytes(run: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(run, tmp_path / "elsewhere" / "unit")
    first = report(data=run, out=tmp_path / "a.html").read_bytes()
    assert report(data=run, out=tmp_path / "b.html").read_bytes() == first
    assert report(data=moved, out=tmp_path / "c.html").read_bytes() == first


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", hostile=HOSTILE, labels=("angry", HOSTILE, "neutral", "sad"))
    write_json(root / "annotations/checks.json", {HOSTILE: {"passed": HOSTILE}})
    page = Page(
        report(data=root, out=tmp_path / "r.html", examples=30, clips="always", title=HOSTILE).read_text()
    )
    assert "alert('x')" in page.text
    assert "{{ 7*7 }}" in page.text
    assert sum(tag == "script" for tag, _ in page.tags) == 3  # the rows as data, the library, and our own
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert not any((attributes.get("src") or "").startswith("http") for _, attributes in page.tags)


PARTS = ["ingest", "annotations", "distributions", "validation", "evaluation"]


def test_a_page_of_the_users_is_not_replaced_and_an_earlier_report_is(run: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "thesis.html"
    theirs.write_text("<title>My thesis</title>\n")
    with pytest.raises(UserError, match="is no earlier output"):
        report(data=run, out=theirs)
    assert theirs.read_text() == "<title>My thesis</title>\n"
    for _ in range(2):
        report(data=run, out=tmp_path / "report.html")


@pytest.mark.parametrize("missing", PARTS)
def test_a_missing_part_is_named(run: Path, tmp_path: Path, missing: str) -> None:
    root = shutil.copytree(run, tmp_path / "unit")
    shutil.rmtree(root / missing)
    assert "No content:" in report(data=root, out=tmp_path / "r.html").read_text()


@pytest.mark.parametrize("only", PARTS)
def test_one_part_alone_is_reported(run: Path, tmp_path: Path, only: str) -> None:
    shutil.copytree(run / only, tmp_path / "unit" / only)
    assert report(data=tmp_path / "unit", out=tmp_path / "r.html").stat().st_size > 4000


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("distributions/pooled.parquet", "PAR1 not really", "not a readable Parquet file"),
        ("annotations/checks.json", "{half", "expected what annotate wrote, found no readable JSON"),
        ("annotations/checks.json", '{"audio_sensitive": "perhaps"}', "at audio_sensitive: Input should be"),
        (
            "validation/metrics.json",
            "[]",
            "expected what validate or evaluate wrote, Input should be an object",
        ),
        (
            "validation/metrics.json",
            '{"pooled": 3}',
            "at pooled: Input should be a valid dictionary, found 3",
        ),
        ("evaluation/metrics.json", "null", "expected what validate or evaluate wrote, Input should be"),
        (
            "distributions/pooling.json",
            '{"alms": ["tiny"]}',
            "expected what pool wrote, at alms: Input should",
        ),
        ("ingest/profile.json", '{"notes": "a note"}', "expected what ingest wrote, at notes: Input should"),
        ("validation/details.json", '{"paired_tests": {}}', "expected what validate wrote, at paired_tests"),
    ],
)
def test_a_damaged_file_is_named_and_no_page_is_written(
    run: Path, tmp_path: Path, name: str, content: str, said: str
) -> None:
    root = shutil.copytree(run, tmp_path / "unit")
    (root / name).write_text(content)
    with pytest.raises(UserError) as caught:
        report(data=root, out=tmp_path / "r.html")
    assert str(caught.value).startswith(f"{root / name}: ") and said in str(caught.value)
    assert not (tmp_path / "r.html").exists()


def test_users_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        report(data=tmp_path / "nowhere", out=tmp_path / "r.html")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="none of a run's outputs"):
        report(data=tmp_path / "empty", out=tmp_path / "r.html")


@pytest.mark.parametrize(
    "checks", [{"canary": {"passed": False}}, {"audio_sensitive": False}, {"hears": False}]
)
def test_canary_that_fails_is_a_warning(tmp_path: Path, checks: dict[str, object]) -> None:
    root = make_run(tmp_path / "unit", 24)
    write_json(root / "annotations/checks.json", checks)
    html = report(data=root, out=tmp_path / "r.html").read_text()
    assert '<p class="warning">The canary check failed' in html


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"examples": -1}, "examples: expected a number from 0 to 1000000000, found -1"),
        ({"clip_megabytes": float("nan")}, "clip_megabytes: expected a number of at least 0, found nan"),
        ({"table_rows": -5}, "table_rows: expected a number from 0"),
        ({"clip_seconds": 0.0}, "clip_seconds: expected a number above 0"),
        ({"clip_seconds": 3600.0}, "at most 60, found 3600"),
    ],
)
def test_limits_that_make_no_sense(run: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        report(data=run, out=tmp_path / "r.html", **options)
