"""Deployments on a real Prefect server over PostgreSQL, with authentication: deployed, picked up, run, shown.

One server for the file: Debian's PostgreSQL as the user postgres, `prefect server start`, a process worker.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import yaml

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]
PASSWORD = "admin:a-password-of-the-test"
BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:] if Path("/usr/lib/postgresql").is_dir() else []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if found := condition():
            return found
        time.sleep(0.3)
    pytest.fail(f"{what}: not within {seconds} s")


class Postgres:
    """A PostgreSQL of our own that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True)
        self._as_postgres(["chown", "-R", "postgres", str(folder)], root=True)
        self._as_postgres(
            [str(BIN[0] / "initdb"), "-D", str(folder / "db"), "-A", "trust", "-U", "postgres", "--no-sync"]
        )
        self.start()

    def _as_postgres(self, command: list[str], root: bool = False) -> None:
        if not root and os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._as_postgres(
            [
                str(BIN[0] / "pg_ctl"),
                "-D",
                str(self.folder / "db"),
                "-w",
                "-o",
                options,
                "-l",
                str(self.folder / "log"),
                "start",
            ]
        )

    def stop(self) -> None:
        self._as_postgres(
            [str(BIN[0] / "pg_ctl"), "-D", str(self.folder / "db"), "-w", "-m", "immediate", "stop"]
        )

    def execute(self, *statements: str) -> subprocess.Popen[bytes]:
        """Start SQL statements in one transaction, as another client of the database."""
        command = [str(BIN[0] / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-qAtc", "; ".join(statements)]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/")

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/postgres"


class Team:
    """A team's Prefect: server on PostgreSQL with a password, and the environment its members use."""

    def __init__(self, folder: Path, database: Postgres) -> None:
        self.database, self.port = database, free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        quiet = {
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_HOME": str(folder / "home"),
            "NO_COLOR": "1",
        }
        base = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | quiet
        base["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), base["PATH"]])
        self.server_environment = base | {
            "PREFECT_SERVER_API_AUTH_STRING": PASSWORD,
            "PREFECT_API_DATABASE_CONNECTION_URL": database.url,
            "PREFECT_API_DATABASE_TIMEOUT": "10",
            "PREFECT_UI_API_URL": "/api",
        }
        self.environment = base | {
            "PREFECT_API_URL": self.api,
            "PREFECT_API_AUTH_STRING": PASSWORD,
            "AMBIVOX_PROJECT": str(folder / "project"),
            "PYTHONPATH": str(ROOT / "src"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self.client = httpx.Client(base_url=self.api, auth=tuple(PASSWORD.split(":", 1)), timeout=30)  # type: ignore[arg-type]
        self.server: subprocess.Popen[bytes] | None = None
        self.log = folder / "server.log"
        self.start()

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        self.server = subprocess.Popen(
            command,
            env=self.server_environment,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_for(self.well, 120, "the Prefect server starts")

    def stop(self) -> None:
        assert self.server is not None
        os.killpg(self.server.pid, 9)
        self.server.wait()

    def well(self) -> bool:
        try:
            return self.client.get("/health", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False

    def prefect(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, **body: Any) -> Any:
        reply = self.client.post(path, json=body)
        reply.raise_for_status()
        return reply.json()

    def run_now(self, deployment: str, **parameters: Any) -> str:
        found = self.client.get(f"/deployments/name/{deployment}").json()
        return str(self.ask(f"/deployments/{found['id']}/create_flow_run", parameters=parameters)["id"])

    def state(self, run: str) -> str:
        reply = self.client.get(f"/flow_runs/{run}")
        return str(reply.json()["state"]["type"]) if reply.status_code == 200 else "?"

    def client_fails(self, run: str) -> bool:
        """Whether the server cannot say what became of a run."""
        try:
            return self.client.get(f"/flow_runs/{run}", timeout=2).status_code >= 500
        except httpx.HTTPError:
            return True

    def running_tasks(self, run: str) -> int:
        running = {"state": {"type": {"any_": ["RUNNING"]}}}
        return len(self.ask("/task_runs/filter", flow_runs={"id": {"any_": [run]}}, task_runs=running))

    def ends_well(self, run: str, seconds: float, what: str) -> None:
        """Wait until the run has ended; say what it logged if it did not end well."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and self.state(run) not in (
            "COMPLETED",
            "FAILED",
            "CRASHED",
            "CANCELLED",
        ):
            time.sleep(0.3)
        if (ended := self.state(run)) != "COMPLETED":
            logs = self.ask("/logs/filter", logs={"flow_run_id": {"any_": [run]}})
            said = "\n".join(line["message"] for line in logs)
            pytest.fail(f"{what}: {ended} after {seconds} s\n{said}\n{self.log.read_text()[-3000:]}")

    def worker(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "ambivox", "--name", name]
        return subprocess.Popen(
            command,
            env=self.environment,
            cwd=ROOT,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    if not BIN or shutil.which("setpriv") is None:
        pytest.skip("Debian's postgresql is not installed")
    pytest.importorskip("asyncpg")
    # Not below pytest's own folder, which user postgres may not enter.
    folder = Path(
        subprocess.run(
            ["mktemp", "-d", "/tmp/ambivox-team.XXXXXX"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    folder.chmod(0o755)
    database = Postgres(folder / "pg")
    made = None
    try:
        made = Team(folder, database)
        project = folder / "project"
        project.mkdir()
        # A team's project is a checkout: the flows are in it.
        (project / "flows").symlink_to(ROOT / "flows")
        (project / "dvc.yaml").write_text(PIPELINE)
        (project / "params.yaml").write_text("corpora:\n  a: {seconds: 0}\n  b: {seconds: 0}\n")
        subprocess.run(["git", "init", "-q", str(project)], check=True)
        subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=project, check=True)
        yield made
    finally:
        if made is not None:
            made.stop()
        database.stop()
        shutil.rmtree(folder, ignore_errors=True)


PIPELINE = """
stages:
  pool:
    foreach: ${corpora}
    do:
      cmd: sleep ${item.seconds} && mkdir -p data/${key} && echo ${key} >> runs.txt && echo ${key} > data/${key}/pool.txt
      params: ["corpora.${key}.seconds"]
      outs: ["data/${key}/pool.txt"]
"""


@pytest.fixture(scope="module")
def deployed(team: Team) -> dict[str, Any]:
    team.prefect("work-pool", "create", "ambivox", "--type", "process")
    team.prefect("work-queue", "create", "gpu", "--pool", "ambivox", "--limit", "1")
    team.prefect("--no-prompt", "deploy", "--all", "--prefect-file", "infra/prefect.yaml")
    return {one["name"]: one for one in team.ask("/deployments/filter")}


@pytest.mark.timeout(600)
def test_a_team_deploys_and_workers_survive_what_happens(team: Team, deployed: dict[str, Any]) -> None:
    # Without the password: nothing.
    assert httpx.post(f"{team.api}/flow_runs/filter", json={}).status_code == 401

    assert set(deployed) == {"reproduce", "annotate", "reannotate", "finetune-matrix"}
    assert deployed["reannotate"]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert deployed["reproduce"]["schedules"][0]["schedule"]["cron"] == "0 2 * * *"
    # The UI draws its forms from these schemas.
    properties = deployed["reannotate"]["parameter_openapi_schema"]["properties"]
    assert properties["engine"]["enum"] == ["auto", "vllm", "server", "transformers", "fake"]
    assert "Where ALMs appear" in properties["sources"]["description"]
    assert all(one["enforce_parameter_schema"] for one in deployed.values())
    refused = team.client.post(
        f"/deployments/{deployed['reannotate']['id']}/create_flow_run",
        json={"parameters": {"margin": "much"}},
    )
    assert refused.status_code in (409, 422)

    # A scheduled run is picked up by a worker and ends well.
    worker = team.worker("first")
    try:
        run = team.run_now("reproduce/reproduce")
        team.ends_well(run, 120, "the scheduled run completes")
        project = Path(team.environment["AMBIVOX_PROJECT"])
        assert (project / "data/a/pool.txt").read_text() == "a\n"
        assert sorted((project / "runs.txt").read_text().split()) == ["a", "b"]

        # The server is killed and PostgreSQL cut off while a run is under way; both return; the run ends, once.
        (project / "params.yaml").write_text("corpora:\n  a: {seconds: 15}\n  b: {seconds: 15}\n")
        run = team.run_now("reproduce/reproduce")
        wait_for(lambda: team.running_tasks(run) == 2, 90, "both stages are under way")
        time.sleep(2)
        team.stop()
        team.database.stop()
        time.sleep(4)
        team.database.start()
        team.start()
        team.ends_well(run, 120, "the run ends after the server's return")
        assert sorted((project / "runs.txt").read_text().split()) == ["a", "a", "b", "b"]
    finally:
        os.killpg(worker.pid, 9)
        worker.wait()

    # A run that nobody serves waits; another worker takes it up.
    run = team.run_now("reproduce/reproduce")
    second = team.worker("second")
    try:
        team.ends_well(run, 90, "another worker takes the run up")
    finally:
        os.killpg(second.pid, 9)
        second.wait()


@pytest.mark.timeout(420)
def test_a_database_that_is_locked_or_cut_off_alone_delays_a_run_and_no_more(
    team: Team, deployed: dict[str, Any]
) -> None:
    """The Prefect server keeps running; its PostgreSQL drops its connections, is locked, and is started again."""
    project = Path(team.environment["AMBIVOX_PROJECT"])
    (project / "params.yaml").write_text("corpora:\n  a: {seconds: 17}\n  b: {seconds: 18}\n")
    notes = project / "runs.txt"
    before = notes.read_text().split() if notes.exists() else []
    assert team.server is not None
    server = team.server.pid
    worker = team.worker("steady")
    try:
        run = team.run_now("reproduce/reproduce")
        wait_for(lambda: team.running_tasks(run) == 2, 150, "both stages are under way")
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'"
        assert team.database.execute(others).wait() == 0
        # Longer than the server waits for its database (PREFECT_API_DATABASE_TIMEOUT).
        tables = "flow_run, flow_run_state, task_run, task_run_state, log, deployment, work_queue"
        lock = team.database.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE", "SELECT pg_sleep(11)")
        wait_for(lambda: team.client_fails(run), 10, "the server gets no answer from its database")
        assert lock.wait() == 0
        team.database.stop()
        team.database.start()
        team.ends_well(run, 120, "the run ends after the database's return")
    finally:
        os.killpg(worker.pid, 9)
        worker.wait()
    assert sorted(notes.read_text().split()) == sorted([*before, "a", "b"])
    assert team.server.pid == server
    assert team.server.poll() is None


def test_an_event_starts_reannotate(team: Team, deployed: dict[str, Any]) -> None:
    """Whatever can send an HTTP request can say that an ALM is out, and where; prefect.yaml's triggers make a run."""

    def runs() -> list[dict[str, Any]]:
        return [
            one
            for one in team.ask("/flow_runs/filter")
            if one["deployment_id"] == deployed["reannotate"]["id"] and one["auto_scheduled"] is False
        ]

    def send(event: str, payload: dict[str, Any]) -> dict[str, Any]:
        before = {one["id"] for one in runs()}
        body = {
            "occurred": datetime.now(UTC).isoformat(),
            "event": event,
            "id": str(uuid4()),
            "resource": {"prefect.resource.id": "ambivox.source"},
            "payload": payload,
        }
        team.client.post("/events", json=[body]).raise_for_status()
        made = wait_for(
            lambda: [one for one in runs() if one["id"] not in before], 60, "the event makes a run"
        )
        return dict(made[0])

    configured = deployed["reannotate"]["parameters"]["sources"]
    assert send("ambivox.alm.released", {})["parameters"]["sources"] == configured
    named = ["folder:/models/new", "hub:author={{ 7 * 7 }}"]
    assert send("ambivox.alm.released-at", {"sources": named})["parameters"]["sources"] == named


def descendants(pid: int) -> list[int]:
    """The processes that ``pid`` started, and those that they started."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in listed.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found = list(children.get(pid, []))
    for child in found:
        found += children.get(child, [])
    return found


def command_of(pid: int) -> str:
    """The command line of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@pytest.mark.timeout(300)
def test_a_run_whose_worker_is_killed_is_taken_up_by_another(
    team: Team, deployed: dict[str, Any], tmp_path: Path
) -> None:
    # The automation as it is shipped, but for its patience.
    automation = yaml.safe_load((ROOT / "infra/automations.yaml").read_text())
    automation["automations"][0]["trigger"]["within"] = 35
    (tmp_path / "automations.yaml").write_text(yaml.safe_dump(automation))
    team.prefect("automation", "create", "--from-file", str(tmp_path / "automations.yaml"))
    project = Path(team.environment["AMBIVOX_PROJECT"])
    notes = project / "runs.txt"
    (project / "params.yaml").write_text("corpora:\n  a: {seconds: 100}\n  b: {seconds: 1}\n")
    before = notes.read_text().split() if notes.exists() else []

    doomed = team.worker("doomed")
    run = team.run_now("reproduce/reproduce")
    try:
        wait_for(lambda: notes.exists() and len(notes.read_text().split()) > len(before), 90, "b is done")
        wait_for(lambda: team.running_tasks(run) == 1, 30, "a is under way")
    finally:
        started = descendants(doomed.pid)
        flow_runs = [pid for pid in started if "prefect" in command_of(pid)]
        assert flow_runs
        assert any("sleep 100" in command_of(pid) for pid in started)
        for pid in [doomed.pid, *flow_runs]:
            os.kill(pid, 9)
        doomed.wait()
        # Its stages end with the run, though nobody has ended them: their watchdog does.
        wait_for(lambda: not any(map(command_of, started)), 6, "what the run started ends")
    (project / "params.yaml").write_text("corpora:\n  a: {seconds: 2}\n  b: {seconds: 1}\n")
    second = team.worker("heir")
    try:
        assert team.state(run) == "RUNNING"  # nobody has told the server
        wait_for(lambda: team.state(run) != "RUNNING", 120, "its silence is noticed")
        team.ends_well(run, 120, "another worker takes the run up")
    finally:
        os.killpg(second.pid, 9)
        second.wait()
    assert sorted(notes.read_text().split()) == sorted([*before, "a", "b"])


def test_the_pages_ask_for_the_password(team: Team, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{team.port}/deployments")
    page.wait_for_url("**/login**", timeout=60_000)
    page.locator("input").first.fill("admin:wrong")
    page.keyboard.press("Enter")
    page.get_by_text("Authentication failed").first.wait_for(timeout=30_000)
    page.locator("input").first.fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/deployments**", timeout=60_000)
    page.close()
