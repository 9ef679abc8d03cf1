"""The flow reannotate on a real Prefect server, a real DVC project, and real small ALMs of different quality."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from ambivox.models.annotator_registry.candidate import Candidate, SourceError
from ambivox.models.annotator_registry.ledger import Ledger
from ambivox.models.errors import UserError
from tests.support.hub_server import HubServer
from tests.support.pilot_tables import trial
from tests.support.reannotation_project import make_team, run_in

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team's project: a corpus, a poor ALM that annotates it, a better one that nobody knows yet."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return make_team(tmp_path_factory.mktemp("team"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    server.close()


def artifacts(key: str) -> list[Any]:
    """The artifacts with this key, oldest first."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        unordered = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return sorted(unordered, key=lambda artifact: artifact.created)


@pytest.mark.timeout(900)
def test_two_releases_with_a_promotion_between_them(
    project: Path, hub: HubServer, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First ALM, v1; a better one appears and is promoted; v2; v1 can be restored. A broken and a worse ALM are not promoted."""
    from ambivox.flows.annotators import current_annotator, install_annotator, track
    from ambivox.flows.reannotate import reannotate
    from ambivox.flows.reproduce import reproduce
    from tests.support.steps import release

    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(project)
    track(project, project / "data/unit/ingest")
    install_annotator(project, "unit", project / "made/poor")
    assert (
        "unit" not in (project / "params.yaml").read_text().partition("pretrain:")[2]
    )  # stage pretrain no longer overwrites it
    poor = current_annotator(project, "unit")
    assert poor is not None
    run_in(project, "git", "add", "-A")
    run_in(project, "git", "commit", "-qm", "A project")
    reproduce(project=str(project))
    release(data=Path("data/unit"), version="v1")
    v1 = (project / "data/unit/distributions/pooled.parquet").read_bytes()

    shutil.copytree(project / "made/good", project / "shelf/good")
    shutil.copytree(project / "made/good", project / "shelf/broken")
    (project / "shelf/broken/model.safetensors").write_bytes(b"cut off")

    def run(*sources: str) -> Any:
        return reannotate(
            project=str(project),
            corpus="unit",
            sources=sources,
            pilot_size=40,
            margin=0.02,
            engine="transformers",
            orders=2,
            timeout_seconds=180,
            return_state=True,
        )

    hub.failure = "500"  # the hub is down: skipped; the folder is looked at all the same
    state = run("hub:author=Qwen", f"folder:{project / 'shelf'}")
    assert state.name == "Promoted", state.message
    ledger = Ledger(project / "data/unit/ledger.parquet")
    rows = {(row["alm"], row["decision"]): row for row in ledger.read().iter_rows(named=True)}
    assert set(rows) == {("tiny", "initial"), ("broken", "failed"), ("good", "promoted")}
    good = rows["good", "promoted"]
    assert good["gain"] >= 0.02
    assert 0 < good["gain_low"] <= good["gain"] <= good["gain_high"]
    assert good["pilot_utterances"] == 40
    assert good["audio_sensitive"] is True
    assert "exit code" in rows["broken", "failed"]["reason"]
    now = current_annotator(project, "unit")
    assert now is not None
    assert now.version != poor.version
    assert "good" in str(artifacts("unit-annotators")[-1].data)
    assert "promoted" in str(artifacts("unit-reannotate")[-1].data)
    changes = str(artifacts("unit-changes")[-1].data)
    assert "| | measure | unit-v1 | now | change |" in changes.replace("|  |", "| |")
    assert "| synthetic | nll ↓ |" in changes and "| synthetic | JS ↓ |" in changes

    # The datasets followed: v2 is closer to the humans, and v1 is still what it was.
    release(data=Path("data/unit"), version="v2")
    target = "data/unit/validation/metrics.json"
    said = run_in(
        project,
        sys.executable,
        "-m",
        "dvc",
        "metrics",
        "diff",
        "unit-v1",
        "unit-v2",
        "--json",
        "--targets",
        target,
    )
    assert json.loads(said)[target]["synthetic.js"]["diff"] < -0.02
    run_in(project, "git", "checkout", "-q", "unit-v1")
    run_in(project, sys.executable, "-m", "dvc", "checkout", "-q")
    assert (project / "data/unit/distributions/pooled.parquet").read_bytes() == v1
    assert current_annotator(project, "unit") == poor
    run_in(project, "git", "checkout", "-q", "main")
    run_in(project, sys.executable, "-m", "dvc", "checkout", "-q")

    # The promoted folder is recognised as the annotator in use: the same run again finds nothing new. A worse ALM
    # on the hub is tried and not promoted, and the annotator in use gets no second row.
    hub.failure = ""
    before = ledger.read().height
    assert run("hub:author=Qwen", f"folder:{project / 'shelf'}").name == "NothingNew"
    assert ledger.read().height == before
    hub.put("Qwen/poor", project / "made/worse")
    state = run("hub:author=Qwen")
    assert state.name == "Completed", state.message
    assert ledger.read().row(-1, named=True)["decision"] == "rejected"
    assert ledger.read().row(-1, named=True)["gain"] < 0
    assert current_annotator(project, "unit") == now
    assert ledger.read().filter(pl.col("decision") == "initial").height == 1

    # The same weights on the hub are recognised after the download, not tried.
    hub.put("Qwen/copy-of-good", project / "made/good")
    state = run("hub:author=Qwen")
    assert state.name == "Completed", state.message
    copy = ledger.read().row(-1, named=True)
    assert (copy["alm"], copy["decision"], copy["reason"]) == (
        "Qwen/copy-of-good",
        "duplicate",
        "the same weights as good",
    )
    assert current_annotator(project, "unit") == now


def test_a_promoted_folder_is_recognised_in_its_source(toy_project: Path) -> None:
    """The annotator in use has the same revision as the folder that it was copied from."""
    from ambivox.flows.annotators import current_annotator, install_annotator
    from ambivox.models.annotator_registry.watch import list_candidates

    source = toy_project / "shelf/good"
    source.mkdir(parents=True)
    (source / "config.json").write_text('{"architectures": ["Qwen2AudioForConditionalGeneration"]}')
    save_file({"weight": np.zeros(2, np.float32)}, source / "model.safetensors")
    (source / "README.md").write_text("does not decide an answer")
    install_annotator(toy_project, "a", source)
    current = current_annotator(toy_project, "a")
    assert current is not None
    (candidate,) = list_candidates(f"folder:{toy_project / 'shelf'}")
    assert candidate.version == current.version


def test_a_second_run_of_the_same_corpus_ends_at_once(tmp_path: Path, prefect_server: None) -> None:
    from ambivox.flows.annotators import corpus_lock
    from ambivox.flows.reannotate import reannotate

    with corpus_lock(tmp_path, "unit") as acquired:
        assert acquired
        state = reannotate(project=str(tmp_path), corpus="unit", sources=("folder:/x",), return_state=True)
    assert state.name == "AlreadyRunning"


def test_malformed_and_failing_sources_fail_the_run_in_one_line(
    tmp_path: Path, hub: HubServer, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ambivox.flows.reannotate import list_candidates, reannotate

    for sources, expected in (
        ((), "no sources"),
        (("hub:autor=x",), "expected author="),
        (("folder:/nowhere",), "no such folder"),
    ):
        state = reannotate(project=str(tmp_path), corpus="unit", sources=sources, return_state=True)
        assert state.is_failed()
        with pytest.raises(UserError, match=expected):
            state.result()
    monkeypatch.setattr(list_candidates, "retry_delay_seconds", 0)
    monkeypatch.setattr("ambivox.models.annotator_registry.hub_source._PAUSE_SECONDS", 0.01)
    hub.failure = "nonsense"
    state = reannotate(project=str(tmp_path), corpus="unit", sources=("hub:author=Qwen",), return_state=True)
    with pytest.raises(SourceError, match="none of the sources answered"):
        state.result()


@pytest.mark.parametrize("promote", [True, False])
def test_a_person_decides_when_asked(prefect_server: None, promote: bool) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.flow_runs import resume_flow_run
    from prefect.runtime import flow_run as running

    from ambivox.flows.reannotate import decide

    known: list[str] = []

    @flow
    def asks() -> str:
        known.append(running.id)
        promoted, entries = decide([trial("a", 0.1, better=True)], require_approval=True)
        return f"{promoted is not None} {entries[0].decision} {entries[0].reason}"

    def person() -> None:
        with get_client(sync_client=True) as client:
            for _ in range(300):
                if known and client.read_flow_run(known[0]).state.is_paused():
                    resume_flow_run(known[0], run_input={"promote": promote, "who": "Ada"})
                    return
                time.sleep(0.1)

    asked = threading.Thread(target=person)
    asked.start()
    assert asks() == ("True promoted approved by Ada" if promote else "False declined declined by Ada")
    asked.join()


def test_a_failed_pilot_leaves_no_process(tmp_path: Path) -> None:
    from ambivox.flows.pilot_process import PilotFailedError, PilotRequest, run_pilot

    request = PilotRequest(
        Candidate("x", "1", "folder:x", str(tmp_path / "nowhere")),
        str(tmp_path / "u.parquet"),
        str(tmp_path / "out"),
        "s",
        "c",
        "fake",
        2,
    )
    with pytest.raises(PilotFailedError, match="unknown ALM"):
        run_pilot(request, 60, Path.cwd())
    with pytest.raises(PilotFailedError, match="not done after"):
        run_pilot(request, 0.01, Path.cwd())
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True, env=os.environ)
    assert str(tmp_path) not in listed.stdout
