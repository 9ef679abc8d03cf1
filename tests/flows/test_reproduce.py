"""The flow `reproduce` on a real DVC project and a real Prefect server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ambivox.flows.pipeline import LockHeldError, StageFailedError, reproduce_stage, stages
from ambivox.models.errors import UserError
from tests.flows.conftest import WRITES

pytestmark = pytest.mark.server


def ran(project: Path) -> list[str]:
    """What the stages noted when they ran, then forgotten."""
    notes = project / "runs.txt"
    lines = sorted(notes.read_text().split()) if notes.exists() else []
    notes.unlink(missing_ok=True)
    return lines


def test_everything_runs_once_and_then_nothing(prefect_server: None, toy_project: Path) -> None:
    from ambivox.flows.reproduce import reproduce

    assert reproduce(project=str(toy_project)) == {"ran": 6, "up_to_date": 0}
    assert len(ran(toy_project)) == 6
    assert reproduce(project=str(toy_project)) == {"ran": 0, "up_to_date": 6}
    assert ran(toy_project) == []
    clean = subprocess.run(
        [sys.executable, "-m", "dvc", "status"], cwd=toy_project, capture_output=True, text=True, check=True
    )
    assert "up to date" in clean.stdout


def test_a_changed_parameter_reruns_what_hangs_on_it_alone(prefect_server: None, toy_project: Path) -> None:
    from ambivox.flows.reproduce import reproduce

    reproduce(project=str(toy_project))
    ran(toy_project)
    (toy_project / "params.yaml").write_text("corpora:\n  a: {text: other}\n  b: {text: two}\n")
    assert reproduce(project=str(toy_project), corpora=("a",)) == {"ran": 3, "up_to_date": 0}
    assert ran(toy_project) == ["data/a/ingest.txt", "data/a/pool.txt", "data/a/validate.txt"]


def test_steps_limit_the_run_to_what_they_wait_for(toy_project: Path) -> None:
    named = [stage.address for stage in stages(toy_project, ("b",), ("pool",))]
    assert named == ["ingest@b", "pool@b"]


def test_upstream_comes_first_and_staleness_spreads(toy_project: Path) -> None:
    listed = stages(toy_project, ("a",))
    assert listed[0].address == "ingest@a"
    assert {stage.address: stage.upstream for stage in listed}["pool@a"] == ("ingest@a",)
    assert all(stage.stale for stage in listed)


def test_a_mistake_is_not_retried_and_its_exit_code_survives(prefect_server: None, toy_project: Path) -> None:
    from ambivox.flows.reproduce import reproduce

    (toy_project / "params.yaml").write_text("corpora:\n  a: {text: mistake}\n  b: {text: two}\n")
    with pytest.raises(StageFailedError) as failed:
        reproduce(project=str(toy_project))
    assert failed.value.exit_code == 2
    # The other corpus was brought up to date all the same.
    assert ran(toy_project) == [
        "data/a/ingest.txt",
        "data/b/ingest.txt",
        "data/b/pool.txt",
        "data/b/validate.txt",
    ]


def test_a_passing_failure_is_retried(
    prefect_server: None, toy_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ambivox.flows import reproduce as module

    monkeypatch.setattr(
        module, "bring_up_to_date", module.bring_up_to_date.with_options(retry_delay_seconds=0)
    )
    (toy_project / "params.yaml").write_text("corpora:\n  a: {text: flaky}\n")
    assert module.reproduce(project=str(toy_project), steps=("ingest",)) == {"ran": 1, "up_to_date": 0}
    assert ran(toy_project) == ["data/a/ingest.txt", "data/a/ingest.txt"]


def test_two_schedulers_that_start_the_same_run_do_the_work_once(
    prefect_server: None, toy_project: Path
) -> None:
    from prefect.settings import PREFECT_API_URL

    (toy_project / "writes.py").write_text("import time; time.sleep(0.5)\n" + WRITES)
    # As it is, but for the pauses between tries.
    code = (
        "import ambivox.flows.reproduce as module; eager = dict(retries=30, retry_delay_seconds=2); "
        "module.bring_up_to_date = module.bring_up_to_date.with_options(**eager); print(module.reproduce(project='.', corpora=('a',), steps=('pool',)))"
    )
    environment = os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=toy_project, env=environment, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [one.communicate(timeout=180)[0].decode() for one in both]
    assert [one.returncode for one in both] == [0, 0]
    # Whichever came first; the other found each stage done when the lock was free.
    assert ran(toy_project) == ["data/a/ingest.txt", "data/a/pool.txt"]
    assert any("'ran': 2" in one for one in said)
    assert not any(stage.stale for stage in stages(toy_project, ("a",), ("pool",)))


def test_a_held_lock_is_told_apart_from_a_failure(toy_project: Path) -> None:
    from dvc.repo import Repo

    with Repo(str(toy_project)) as repo, repo.lock, pytest.raises(LockHeldError):
        reproduce_stage(toy_project, "ingest@a")


def test_files_that_another_run_writes_are_waited_for_and_not_for_ever(toy_project: Path) -> None:
    import json

    locks = toy_project / ".dvc" / "tmp" / "rwlock"
    locks.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as holding:
        writing = {str(toy_project / "data/a/ingest.txt"): {"pid": holding.pid, "cmd": "another run"}}
        locks.write_text(json.dumps({"write": writing, "read": {}}))
        try:
            with pytest.raises(UserError, match="another run is busy"):
                stages(toy_project, ("a",), timeout_seconds=0)
        finally:
            holding.kill()
    locks.unlink()
    assert all(stage.stale for stage in stages(toy_project, ("a",), timeout_seconds=0))


def test_an_unlisted_corpus_is_a_clear_error(toy_project: Path) -> None:
    with pytest.raises(UserError, match=r"no stage of dvc.yaml runs on corpus 'c'"):
        stages(toy_project, ("c",))


def test_a_run_keeps_its_history_in_the_project_and_a_run_with_nothing_to_do_starts_no_server(
    toy_project: Path,
) -> None:
    code = "from pathlib import Path; from ambivox.flows.run_pipeline import run_pipeline; run_pipeline(Path(), 'a', force=False, workers=2)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    history = toy_project / ".ambivox" / "prefect" / "prefect.db"
    for said in ("3 stages run, 0 up to date", "0 stages run, 3 up to date"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=toy_project,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said in " ".join(done.stdout.split())
        assert history.is_file()
        assert "Starting temporary server" not in done.stderr
        written = history.stat().st_mtime_ns
    assert history.stat().st_mtime_ns == written
