"""A run that is interrupted or killed: real signals to a real `ambivox run`, and the run after it."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from dvc.lock import make_lock

from ambivox.flows.pipeline import StageFailedError, reproduce_stage, stages
from ambivox.models.dvc_files import keep_lock_file, recover
from ambivox.models.temporary_files import _machine
from tests.support.scratch_project import COMMAND, ambivox, environment, make_project

pytestmark = pytest.mark.server
SMALL = ("run", "--set", "ingest.options.speakers=12", "ingest.options.utterances=20")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project")


def of_project(project: Path) -> list[str]:
    """The processes that work in a project's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(project) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def states(project: Path) -> list[str]:
    """The states of the flow runs, the newest first, as Prefect has recorded them."""
    with sqlite3.connect(project / ".ambivox/prefect/prefect.db") as connection:
        return [row[0] for row in connection.execute("select state_type from flow_run order by created desc")]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("number", "code", "line", "state"),
    [
        (signal.SIGINT, 130, "ambivox: interrupted; the same command resumes\n", "CANCELLED"),
        (signal.SIGTERM, 143, "ambivox: ended by SIGTERM; the same command resumes\n", "CANCELLED"),
        (signal.SIGKILL, -9, "", "CRASHED"),
    ],
)
def test_nothing_keeps_running_and_the_next_run_resumes(
    project: Path, number: signal.Signals, code: int, line: str, state: str
) -> None:
    process = subprocess.Popen(
        [str(COMMAND), *SMALL, "ingest.options.seed=1"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    while not (output := process.stdout.readline()).startswith("── "):
        assert output, process.stderr.read()
    # Not before Prefect knows the run.
    database, limit = project / ".ambivox/prefect/runs", time.monotonic() + 200
    while not list(database.glob("*.json")):
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert any("uvicorn" in command for command in of_project(project))
    sent = time.monotonic()
    os.killpg(process.pid, number)  # as a terminal does
    assert process.wait(60) == code
    assert time.monotonic() - sent < 5
    assert process.stderr.read() == line
    while of_project(project):
        assert time.monotonic() - sent < 6, of_project(project)
        time.sleep(0.1)

    # A mistake in the next stage ends the second run early: the first is closed all the same.
    second = ambivox(project, *SMALL, "ingest.options.seed=1", "pretrain.epochs=0")
    assert second.returncode == 2, second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert states(project)[0] == "FAILED"
    # Prefect itself notes a SIGTERM, too; whichever is first.
    assert states(project)[1] in (state, "CRASHED")
    assert not list(database.glob("*.json"))
    assert not list((project / "data").rglob(".*.tmp"))
    assert not {stage.address: stage.stale for stage in stages(project, ("demo",))}["ingest@demo"]


def test_files_of_dvc_that_were_cut_off_are_put_right(toy_project: Path) -> None:
    subprocess.run(["dvc", "repro", "-q"], cwd=toy_project, env=environment_with_dvc(), check=True)
    keep_lock_file(toy_project)
    whole = (toy_project / "dvc.lock").read_text()
    for cut in ("", "schema: '2.0'\nstages: {a"):
        (toy_project / "dvc.lock").write_text(cut)
        (toy_project / ".dvc/tmp/rwlock").write_text("")
        assert not any(stage.stale for stage in stages(toy_project))
        assert (toy_project / "dvc.lock").read_text() == whole
        assert not (toy_project / ".dvc/tmp/rwlock").read_text().strip(' \n{}readwit":,')
    recover(toy_project)
    assert (toy_project / "dvc.lock").read_text() == whole


def test_a_file_that_another_stage_is_writing_is_left_alone(toy_project: Path) -> None:
    (toy_project / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    keep_lock_file(toy_project)
    folder = toy_project / ".dvc/tmp"
    folder.mkdir(exist_ok=True)
    with make_lock(str(folder / "lock"), tmp_dir=str(folder)):
        (toy_project / "dvc.lock").write_text("")
        recover(toy_project)
        assert (toy_project / "dvc.lock").read_text() == ""
    recover(toy_project)
    assert "stages" in (toy_project / "dvc.lock").read_text()


def test_a_stage_that_runs_out_of_memory_is_named(toy_project: Path) -> None:
    """The system kills it, and it can say nothing itself."""
    (toy_project / "writes.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(StageFailedError, match=r"exit code 137: the system ended it, .* memory") as failed:
        reproduce_stage(toy_project, "ingest@a")
    assert failed.value.exit_code == 128 + signal.SIGKILL
    assert not list((toy_project / ".ambivox").rglob(".*.tmp"))


def environment_with_dvc() -> dict[str, str]:
    return environment(PATH=f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}")


KILLED = """
import os
from pathlib import Path
import httpx
from ambivox.flows import prefect_settings, run_records
from ambivox.flows.prefect_server import PrefectServer
prefect_settings.apply_settings(Path())
server = PrefectServer.start(Path())
server.wait()
with httpx.Client(base_url=server.url) as client:
    flow = client.post("/flows/", json={"name": "reproduce"}).json()["id"]
    state = {"type": "RUNNING", "name": "Running"}
    run = client.post("/flow_runs/", json={"flow_id": flow, "state": state}).json()["id"]
server.stop()
with run_records.recorded(Path(), run):
    os._exit(0)
"""
UP_TO_DATE = """
from pathlib import Path
from ambivox.flows import run_pipeline
run_pipeline.stages = lambda *_: []  # none is stale
run_pipeline.run_pipeline(Path(), "demo", False, 1)
"""


def run_script(script: str, project: Path) -> None:
    subprocess.run([COMMAND.with_name("python"), "-c", script], cwd=project, env=environment(), check=True)


@pytest.mark.timeout(400)
def test_a_killed_run_is_closed_by_one_that_has_nothing_to_do(project: Path) -> None:
    run_script(KILLED, project)
    assert states(project) == ["RUNNING"]
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    left = project / ".ambivox/stage_logs" / f".warnings.{_machine()}-{ended.pid}-x.tmp"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.touch()

    run_script(UP_TO_DATE, project)

    assert states(project) == ["CRASHED"]
    assert not left.exists()
    assert not list((project / ".ambivox/prefect/runs").iterdir())


@pytest.mark.timeout(400)
def test_a_killed_run_is_closed_when_its_pages_are_opened(project: Path) -> None:
    run_script(KILLED, project)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with subprocess.Popen([COMMAND, "ui", "--port", port], cwd=project, env=environment()) as ui:
        try:
            limit = time.monotonic() + 200
            while states(project) != ["CRASHED"]:
                assert ui.poll() is None and time.monotonic() < limit
                time.sleep(0.2)
        finally:
            ui.terminate()
