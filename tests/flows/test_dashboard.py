"""What a team sees: the pages of the Prefect UI in a real browser, over the runs of a real project, by `ambivox ui`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from ruamel.yaml import YAML

from ambivox.flows import dashboard
from tests.flows.test_deployments import free_port, wait_for
from tests.support.pooling_tables import simulated_corpus, write_files
from tests.support.scratch_project import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COMMAND = [sys.executable, "-m", "ambivox"]
RUN = (
    "from pathlib import Path; import ambivox; from ambivox.flows.run_pipeline import run_pipeline; "
    "run_pipeline(Path(), 'made_up', force=False, workers=2); print(ambivox.__file__)"
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a person who installed the package outside the checkout, and set nothing of Prefect's."""
    installed = tmp_path / "installed"
    # What the wheel holds (tests/test_packaging.py): the folders that src/ambivox links to.
    shutil.copytree(ROOT / "src/ambivox", installed / "ambivox")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {"PYTHONPATH": str(installed)}


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A project that `ambivox init` made, of which nothing has run yet: the two stages below have their inputs."""
    project = tmp_path / "project"
    subprocess.run([*COMMAND, "init", "project"], cwd=tmp_path, env=environment, check=True)
    yaml = YAML()
    pipeline = yaml.load(project / "dvc.yaml")
    pipeline["stages"] = {name: pipeline["stages"][name] for name in ("pool", "validate")}
    yaml.dump(pipeline, project / "dvc.yaml")
    params = yaml.load(project / "params.yaml")
    params["corpora"] = {"made_up": {"corpus": "table", "root": "recordings", "pool": {}, "validate": {}}}
    yaml.dump(params, project / "params.yaml")
    for name in ("ingest", "annotations"):
        (project / "data/made_up" / name).mkdir(parents=True)
    files = write_files(project / "data/made_up/ingest", simulated_corpus(rows=300, votes=9))
    files.annotations.rename(project / "data/made_up/annotations/annotations.parquet")
    return project


@pytest.fixture
def ui(project: Path, environment: dict[str, str]) -> Iterator[str]:
    """`ambivox ui` on it, ended by Ctrl-C."""
    port = free_port()
    with (project / "ui.log").open("wb") as log:
        served = subprocess.Popen(
            [*COMMAND, "ui", "--port", str(port)],
            cwd=project,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    note = project / ".ambivox/prefect/server.url"
    try:
        wait_for(lambda: answers(f"{address}/api/health"), 120, "ambivox ui answers")
        assert note.read_text().strip() == f"{address}/api"
        yield address
    finally:
        os.killpg(served.pid, signal.SIGINT)
        try:
            served.wait(30)
        finally:
            if served.poll() is None:
                os.killpg(served.pid, signal.SIGKILL)
    assert not note.exists()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=3).status_code == 200
    except httpx.HTTPError:
        return False


def artifacts(address: str) -> dict[str, Any]:
    """Each key's newest artifact; its page is named by ``latest_id``."""
    found = httpx.post(f"{address}/api/artifacts/latest/filter", json={}, timeout=30).json()
    return {one["key"]: one for one in found}


@pytest.mark.server
@pytest.mark.timeout(300)
def test_a_browser_shows_the_figures_and_the_pictures(
    project: Path, ui: str, environment: dict[str, str], browser: Browser
) -> None:
    # As `ambivox run` does: it finds the server that `ambivox ui` started for this project.
    finished = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert Path(finished.stdout.splitlines()[-1]).is_relative_to(project.parent / "installed")
    metrics = dashboard.read_metrics(project / "data/made_up/validation/metrics.json")
    published = artifacts(ui)
    assert {"made-up-pool", "made-up-validate"} <= set(published)
    page = browser.new_page(viewport={"width": 1500, "height": 1250})
    for version in ("", "/v2"):
        for key, said, pictures in (
            (
                "made-up-validate",
                f"{metrics['pooled']['js']:.3f} [",
                ["sources", "tertiles", "labels", "groups"],
            ),
            ("made-up-pool", "is worth", ["worth", "calibration", "examples"]),
            ("made-up-trends", "through its runs", ["trends"]),
        ):
            page.goto(f"{ui}{version}/artifacts/artifact/{published[key]['latest_id']}")
            page.get_by_text(said).first.wait_for(timeout=60_000)
            page.wait_for_function(
                "document.images.length > 0 && [...document.images].every(one => one.complete)"
            )
            drawn = page.evaluate(
                "[...document.images].map(one => [one.src, one.naturalWidth, one.clientWidth])"
            )
            assert len(drawn) == len(pictures)
            assert all(source.startswith(f"{ui}/pictures/") for source, _, _ in drawn)
            assert all(natural > 200 and shown > 200 for _, natural, shown in drawn), drawn

    # From the list of runs to the same page, as a person goes.
    page.goto(f"{ui}/runs")
    page.get_by_role("link", name="reproduce made_up").first.click(timeout=60_000)
    page.get_by_text("Artifacts", exact=True).first.click(timeout=60_000)
    page.get_by_role("link", name=re.compile("made-up-validate")).first.click(timeout=60_000)
    page.get_by_role("cell", name="pooled").first.wait_for(timeout=60_000)
    page.close()


def test_a_table_puts_the_closest_first_and_the_references_last() -> None:
    table = dashboard.metrics_table(
        {
            "prior": {"js": 0.3},
            "human": {"js": 0.2, "js_low": 0.1, "js_high": 0.25},
            "ceiling": {"js": 0.1},
            "pooled": {"js": 0.15, "f1_macro": 0.5},
        }
    )
    lines = table.splitlines()
    assert lines[0] == "| | JS ↓ | macro F1 ↑ |"
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [
        "pooled",
        "human",
        "human ceiling",
        "corpus prior",
    ]
    assert lines[3] == "| human | 0.200 [0.100, 0.250] | |"


def test_a_table_of_proper_scores_is_ranked_by_nll_and_says_what_is_infinite() -> None:
    table = dashboard.metrics_table(
        {
            "human": {"nll": None, "nll_infinite": 4, "squared_error": 0.17, "js": 0.1},
            "pooled": {"nll": 1.24, "nll_low": 1.21, "nll_high": 1.27, "squared_error": 0.07, "js": 0.2},
            "floor": {"nll": 1.0, "squared_error": 0.0, "js": 0.05},
        }
    )
    assert table.splitlines()[0] == "| | nll ↓ | squared error ↓ | JS ↓ |"
    assert table.splitlines()[2:] == [
        "| pooled | 1.240 [1.210, 1.270] | 0.070 | 0.200 |",
        "| human | ∞ | 0.170 | 0.100 |",
        "| floor | 1.000 | 0.000 | 0.050 |",
    ]


def test_what_is_made_from_the_target_is_not_scored(tmp_path: Path) -> None:
    rows = {"human": {"js": 0.0, "made_from_the_target": True}, "prior": {"js": 0.4}}
    (tmp_path / "metrics.json").write_text(json.dumps(rows))
    shown = dashboard.page("validate", "ours", tmp_path, tmp_path)
    assert "| human |" not in shown
    assert "| corpus prior | 0.400 |" in shown
    assert "Against all human votes (none were held out" in shown
    (tmp_path / "metrics.json").write_text(json.dumps({"human": {"js": 0.1}}))
    assert "Against held-out human votes" in dashboard.page("validate", "ours", tmp_path, tmp_path)


def test_metrics_of_an_earlier_release_are_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text('{"pooled": {"js": 0.15, "macro_f1": 0.5}, "note": "words"}')
    assert dashboard.read_metrics(path) == {"pooled": {"js": 0.15, "f1_macro": 0.5}}
    assert dashboard.read_metrics(tmp_path / "absent.json") == {}


@pytest.mark.parametrize("key", ["audio_sensitive", "hears"])
def test_the_summary_reads_the_checks_of_earlier_releases(key: str) -> None:
    checks = {
        "alm": "tiny",
        "revision": "0123",
        "engine": "fake",
        "utterances": 2,
        "answers": 4,
        "refusals": 0,
        "rejected": 0,
        "label_mass": {"mean": 0.9},
        key: True,
        "canary": {"js": 0.1},
        "order_bias": {"js": 0.0},
        "arms": {"js": {}},
    }
    assert dict(dashboard.annotation_summary(checks))["audio-sensitive"] is True


@pytest.mark.parametrize(("days", "is_named"), [(30, True), (-3, True), (200, False)])
def test_the_page_shows_what_a_hosted_alm_cost_and_when_it_ends(
    tmp_path: Path, days: int, is_named: bool
) -> None:
    end = datetime.now(UTC).date() + timedelta(days=days)
    hosted = {
        "sent_to": "https://api.example.org/v1",
        "answered_by": ["m-2026-02-23"],
        "clips_sent": 2,
        "requests": 20,
        "cost_usd": 0.0123,
        "tokens": {"text": 5, "audio": 80, "cached": 1, "output": 9, "reasoning": 4},
        "shutdown": end.isoformat(),
    }
    checks = {
        "alm": "gpt_audio",
        "revision": "m",
        "engine": "hosted",
        **dict.fromkeys(("utterances", "answers", "refusals", "rejected"), 0),
        "label_mass": {"mean": None},
        "audio_sensitive": True,
        "canary": {"js": 0.1},
        "order_bias": {"js": 0.0},
        "modalities": {"js": {}},
        "hosted": hosted,
    }
    (tmp_path / "checks.json").write_text(json.dumps(checks))
    page = dashboard.page("annotate", "mine", tmp_path, tmp_path)
    for shown in ("| cost (USD) | 0.0123 |", "| answered by | m-2026-02-23 |", "| audio tokens | 80 |"):
        assert shown in page
    assert ("choose its successor" in page) is is_named


def test_names_from_outside_cannot_break_the_table() -> None:
    table = dashboard._table(("", "js"), [("a|b\n<script>", None)])
    assert table.splitlines()[2] == "| a\\|b &lt;script> | none |"


@pytest.mark.parametrize("content", ["", "{", "null", "[1]", '"x"', "[" * 100_000, "\xff"])
def test_a_damaged_file_is_left_out(content: str, tmp_path: Path) -> None:
    for name in ("metrics.json", "pooling.json", "checks.json", "augmentation.json", "training.json"):
        (tmp_path / name).write_text(content, encoding="latin-1")
    assert dashboard.page("validate", "ours", tmp_path, tmp_path) == "# validate · ours"
