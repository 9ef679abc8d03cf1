"""The report: its figures, its words, what it does when parts are missing, and that nothing in the data can act in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.reporting.estimates import Estimate, as_estimate, estimate, number, written
from ambivox.models.reporting.figures import style
from ambivox.models.reporting.parts import sheets
from ambivox.models.tables import Annotations, Distributions, Utterances, Votes
from tests.support.steps import report

LABELS = ("angry", "happy", "neutral", "sad")
HOSTILE = "</script><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)> & {{ 7*7 }}"


def make_run(root: Path, utterances: int = 120, hostile: str | None = None, seed: int = 0) -> Path:
    """A small run of the right shape: known truth, votes drawn from it, a noisy ALM, figures that say pooled is best."""
    rng = np.random.default_rng(seed)
    ids = [f"u{row:04d}" for row in range(utterances)]
    split = np.array(["pretrain", "train", "development", "test"])[np.arange(utterances) % 4]
    text = [hostile if hostile and row % 7 == 3 else f"sentence {row}" for row in range(utterances)]
    frame = pl.DataFrame(
        {
            "utterance_id": ids,
            "corpus": "unit",
            "audio": [f"{name}.wav" for name in ids],
            "audio_sha256": "0" * 64,
            "duration_seconds": rng.uniform(1, 3, utterances),
            "sample_rate_hz": 16000,
            "split": split,
            "transcript": text,
            "speaker": [f"s{row % 12:02d}" for row in range(utterances)],
        }
    )
    Utterances.check(frame, LABELS).write(root / "ingest/utterances.parquet")
    truth_NK = rng.dirichlet(np.full(4, 0.6), utterances)
    for name, count in (("votes", 3), ("heldout", 7)):
        drawn = [rng.choice(4, count, p=p) for p in truth_NK]
        rows = [
            (ids[n], f"r{a}", "human", LABELS[k], 1.0)
            for n, answers in enumerate(drawn)
            for a, k in enumerate(answers)
        ]
        columns = ["utterance_id", "annotator_id", "annotator_kind", "label", "weight"]
        Votes.check(pl.DataFrame(rows, columns, orient="row"), LABELS).write(root / f"ingest/{name}.parquet")
    pl.DataFrame({"file": ["a.wav"], "reason": [hostile or "not audio"]}).write_parquet(
        root / "ingest/rejects.parquet"
    )
    write_json(
        root / "ingest/profile.json",
        {"utterances": utterances, "fleiss_kappa": {"value": 0.31, "low": 0.28, "high": 0.34}},
    )
    voting = frame.filter(pl.col("split") != "pretrain")["utterance_id"]
    guess_NK = 0.5 * truth_NK[frame["utterance_id"].is_in(voting.to_list()).to_numpy()] + 0.125
    Annotations.check(
        pl.DataFrame(
            {
                "utterance_id": voting,
                "alm": "tiny",
                "revision": "abc123",
                "elicitation": "exact",
                "persona": "plain",
                "option_order": "0123",
                "temperature": 0.0,
                "refused": False,
                "prompt_sha256": "f" * 64,
                "engine": "fake",
                "logprobs": np.log(guess_NK).tolist(),
                "label_mass": 0.97,
            }
        ),
        LABELS,
    ).write(root / "annotations/annotations.parquet")
    write_json(
        root / "annotations/checks.json", {"canary": {"js_other_clip": 0.21, "passed": True}, "refusals": 0}
    )
    for source in ("human", "synthetic", "combined", "pooled"):
        table = Distributions.of(voting, source, guess_NK, LABELS, 3.0, 0.0 if source == "human" else 2.5)
        table.write(root / f"distributions/{source}.parquet")
    write_json(
        root / "distributions/pooling.json",
        {
            "alms": {
                "tiny": {
                    "worth_in_human_votes": {"value": 2.47, "low": 2.1, "high": 2.9},
                    "worth_by_ambiguity": {"low": 1.5, "high": 3.1},
                }
            }
        },
    )
    figures, axes = style.figure()
    axes[0].plot([1, 2, 3])
    style.save(figures, root / "validation/tertiles.svg")
    write_json(
        root / "validation/metrics.json",
        {
            "human": {"js": {"value": 0.228, "low": 0.219, "high": 0.236}, "bc": 0.80, "accuracy": 0.61},
            "synthetic": {"js": {"value": 0.222, "low": 0.214, "high": 0.231}, "bc": 0.81, "accuracy": 0.66},
            "combined": {"js": {"value": 0.205, "low": 0.197, "high": 0.214}, "bc": 0.83, "accuracy": 0.68},
            "pooled": {"js": {"value": 0.160, "low": 0.152, "high": 0.169}, "bc": 0.87, "accuracy": 0.72},
            "ceiling": {"js": {"value": 0.118, "low": 0.112, "high": 0.123}, "bc": 0.91, "accuracy": 0.78},
            "prior": {"js": {"value": 0.317, "low": 0.310, "high": 0.324}, "bc": 0.71, "accuracy": 0.40},
        },
    )
    levels = {
        "human": {"js": 0.3, "low": 0.28, "high": 0.32},
        "pooled": {"js": 0.2, "low": 0.19, "high": 0.21},
    }
    write_json(
        root / "validation/details.json",
        {
            "paired_tests": [
                {
                    "first": "pooled",
                    "second": "human",
                    "difference": -0.07,
                    "low": -0.08,
                    "high": -0.06,
                    "p_holm": 0.0007,
                }
            ],
            "tertiles": {"paper": {"low": levels, "high": levels}},
            "per_group": {"sex": {"female": levels}},
        },
    )
    write_json(
        root / "evaluation/metrics.json",
        {
            "human-on": {"js": 0.24, "js_low": 0.23, "js_high": 0.25, "bc": 0.79, "accuracy": 0.6},
            "pooled-on": {"js": {"value": 0.21, "low": 0.20, "high": 0.22}, "bc": 0.82, "accuracy": 0.63},
        },
    )
    return root


class _Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run") / "unit")


def test_headline_says_what_the_figures_say(run: Path, tmp_path: Path) -> None:
    text = _Page(report(data=run, out=tmp_path / "r.html").read_text()).text
    assert "from 3 human votes per utterance it comes 30% closer" in text
    assert "JS 0.160 [0.152, 0.169] against 0.228 [0.219, 0.236]; paired test over speakers p < 0.001" in text
    assert "What tiny says of an utterance is worth about 2.47 [2.10, 2.90] human votes" in text
    assert "pooled 0.200 [0.190, 0.210] – 0.200 [0.190, 0.210]" in text
    assert "JS by sex of the speaker" in text
    assert "120 utterances of 12 speakers" in text
    for figure in ("0.118 [0.112, 0.123]", "0.317 [0.310, 0.324]", "72.0%"):
        assert figure in text


@pytest.mark.parametrize(
    ("pooled", "expected"),
    [(0.25, "Pooling does harm here"), (0.2281, "Pooling changes nothing"), (0.2, "Pooling helps")],
)
def test_verdict_follows_the_figures(tmp_path: Path, pooled: float, expected: str) -> None:
    root = make_run(tmp_path / "unit", 24)
    metrics = json.loads((root / "validation/metrics.json").read_text())
    metrics["pooled"]["js"] = pooled
    write_json(root / "validation/metrics.json", metrics)
    assert expected in _Page(report(data=root, out=tmp_path / "r.html").read_text()).text


def test_verdict_owns_up_to_chance_and_to_harm(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", 24)
    details = json.loads((root / "validation/details.json").read_text())
    details["paired_tests"][0]["p_holm"] = 0.465
    details["tertiles"]["paper"]["low"] = {"human": {"js": 0.1}, "pooled": {"js": 0.128}}
    write_json(root / "validation/details.json", details)
    text = _Page(report(data=root, out=tmp_path / "r.html").read_text()).text
    assert "Pooling comes closer, but chance is not ruled out: from 3 human votes" in text
    assert "p = 0.465" in text
    assert "Not everywhere: it is further from people at ambiguity low (JS 0.128 against 0.100)." in text


def test_the_sparse_vote_trial_is_a_table_and_a_picture(tmp_path: Path) -> None:
    root = make_run(tmp_path / "run")
    (root / "trial").mkdir()
    row = {"votes": 3, "source": "pooled", "js": {"value": 0.178, "low": 0.172, "high": 0.185}}
    row |= {"over_human": {"value": 0.7301, "low": 0.7, "high": 0.75}}
    row |= {"entropy": {"low": 0.981, "medium": 0.742, "high": 0.643}}
    (root / "trial" / "trial.json").write_text(json.dumps({"rows": [row, "nonsense"], "mean_kappa": {}}))
    (root / "trial" / "trial.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>')
    report(data=root, out=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    section = page[page.index("sparse-vote trial") :]
    assert all(figure in section for figure in ("0.730 [0.700, 0.750]", "0.981", "0.742", "0.643"))


def test_page_asks_for_nothing_else(run: Path, tmp_path: Path) -> None:
    page = _Page(report(data=run, out=tmp_path / "r.html").read_text())
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#", "data:image/")), (tag, name, value[:80])
        assert not any(name.startswith("on") for name in attributes)


def test_same_inputs_same_bytes(run: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(run, tmp_path / "elsewhere" / "unit")
    first = report(data=run, out=tmp_path / "a.html").read_bytes()
    assert report(data=run, out=tmp_path / "b.html").read_bytes() == first
    assert report(data=moved, out=tmp_path / "c.html").read_bytes() == first


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", hostile=HOSTILE)
    write_json(root / "annotations/checks.json", {HOSTILE: {"passed": HOSTILE}})
    page = _Page(report(data=root, out=tmp_path / "r.html", examples=30, title=HOSTILE).read_text())
    assert "alert('x')" in page.text
    assert "{{ 7*7 }}" in page.text
    assert not any(tag == "script" or "onerror" in attributes for tag, attributes in page.tags)
    assert not any((attributes.get("src") or "").startswith("http") for _, attributes in page.tags)


PARTS = ["ingest", "annotations", "distributions", "validation", "evaluation"]


@pytest.mark.parametrize("missing", PARTS)
def test_a_missing_part_is_named(run: Path, tmp_path: Path, missing: str) -> None:
    root = shutil.copytree(run, tmp_path / "unit")
    shutil.rmtree(root / missing)
    assert "Not here:" in report(data=root, out=tmp_path / "r.html").read_text()


@pytest.mark.parametrize("only", PARTS)
def test_one_part_alone_is_reported(run: Path, tmp_path: Path, only: str) -> None:
    shutil.copytree(run / only, tmp_path / "unit" / only)
    assert report(data=tmp_path / "unit", out=tmp_path / "r.html").stat().st_size > 4000


def test_broken_files_are_named_and_the_rest_is_shown(run: Path, tmp_path: Path) -> None:
    root = shutil.copytree(run, tmp_path / "unit")
    (root / "distributions/pooled.parquet").write_bytes(b"PAR1 not really")
    (root / "annotations/checks.json").write_text("{half")
    text = _Page(report(data=root, out=tmp_path / "r.html").read_text()).text
    assert "distributions/pooled.parquet: not a readable Parquet file" in text
    assert "annotations/checks.json: not readable as JSON" in text
    assert "0.160 [0.152, 0.169]" in text


def test_users_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        report(data=tmp_path / "nowhere", out=tmp_path / "r.html")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="none of a run's outputs"):
        report(data=tmp_path / "empty", out=tmp_path / "r.html")


def test_canary_that_fails_is_a_warning(tmp_path: Path) -> None:
    root = make_run(tmp_path / "unit", 24)
    write_json(root / "annotations/checks.json", {"canary": {"passed": False}})
    html = report(data=root, out=tmp_path / "r.html").read_text()
    assert '<p class="warning">The canary failed' in html


def test_estimates_are_read_in_every_shape() -> None:
    expected = Estimate(0.2, 0.1, 0.3)
    for raw in (
        [0.2, 0.1, 0.3],
        {"value": 0.2, "low": 0.1, "high": 0.3},
        {"mean": 0.2, "interval": [0.1, 0.3]},
    ):
        assert as_estimate(raw) == expected
    assert estimate({"js": 0.2, "js_low": 0.1, "js_high": 0.3}, "js") == expected
    assert estimate({"js": 0.2, "js_ci": [0.1, 0.3]}, "js") == expected
    assert as_estimate("0.2") is None
    assert as_estimate(True) is None
    assert written(None) == "–"
    assert [number(v) for v in (12345, 0.2144, 3.268, 4.1e-5, 0.0)] == [
        "12,345",
        "0.214",
        "3.27",
        "4.1e-05",
        "0.000",
    ]


def test_json_becomes_tables_and_long_ones_say_they_are_cut() -> None:
    made = sheets({"low": {"js": 0.1, "n": 3}, "high": {"js": 0.2, "n": 4}})
    assert made[0].columns == ["", "JS (base 2)", "n"]
    assert made[0].rows == [["low", "0.100", "3"], ["high", "0.200", "4"]]
    assert "the first 60 of 100 rows" in sheets([{"a": row} for row in range(100)], "many")[0].caption


@pytest.mark.server
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_draws_it_without_sideways_scrolling(run: Path, tmp_path: Path, width: int) -> None:
    page = report(data=run, out=tmp_path / "r.html")
    # The page may run no script, so the measuring page holds it in a frame of the wanted width.
    probe = tmp_path / "probe.html"
    probe.write_text(
        f'<iframe id="f" src="r.html" style="width:{width}px;height:900px"></iframe><script>onload=()=>{{'
        'const d=document.getElementById("f").contentDocument.documentElement;'
        'document.title="wide "+d.scrollWidth+" "+d.scrollHeight}</script>'
    )
    drawn = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--disable-component-update",
            "--disable-sync",
            "--allow-file-access-from-files",
            "--virtual-time-budget=3000",
            f"--user-data-dir={tmp_path}/profile",
            "--dump-dom",
            probe.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    measured = re.search(r"wide (\d+) (\d+)", drawn.stdout)
    assert measured is not None, drawn.stdout[:500]
    assert int(measured[1]) <= width
    assert int(measured[2]) > 1500
    assert page.stat().st_size < 3_000_000
