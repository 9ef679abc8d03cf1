"""A Prefect server that goes away while a run uses it: one line, and an exit code of its own."""

from __future__ import annotations

import contextlib
import importlib
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prefect.exceptions import CrashedRun, ObjectNotFound
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from ambivox.flows.flow_decorator import flow
from ambivox.flows.pipeline import LockHeldError, StageFailedError
from ambivox.flows.server_outage import named_outages
from ambivox.models.errors import OutageError, UserError
from tests.support.scratch_project import COMMAND, environment, make_project

NOWHERE = "http://127.0.0.1:9/api"
REQUEST = httpx.Request("POST", f"{NOWHERE}/flow_runs/")


def from_another(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("All connection attempts failed"),
        httpx.ReadError(""),
        httpx.ReadTimeout("timed out"),
        httpx.RemoteProtocolError("Server disconnected without sending a response.\n"),
        httpx.HTTPStatusError("503", request=REQUEST, response=httpx.Response(503, request=REQUEST)),
        RuntimeError("Failed to reach API at http://127.0.0.1:9/api/."),
        CrashedRun("Flow run encountered an exception"),
        from_another(KeyError("id"), httpx.ConnectError("refused")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_a_server_that_is_gone_are_outages(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    with (
        pytest.raises(OutageError, match=f"{NOWHERE} no longer answers .*are kept") as caught,
        named_outages(),
    ):
        raise error
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "error",
    [
        StageFailedError("pool@demo", 2),
        LockHeldError("locked"),
        UserError("no such corpus"),
        KeyError("nll"),
        httpx.HTTPStatusError("409", request=REQUEST, response=httpx.Response(409, request=REQUEST)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_stay_what_they_are(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    with pytest.raises(type(error)) as caught, named_outages():
        raise error
    assert caught.value is error


def test_a_request_to_another_server_is_no_outage_of_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    error = httpx.ConnectError("refused", request=httpx.Request("GET", "http://127.0.0.1:8/api/models"))
    with pytest.raises(httpx.ConnectError) as caught, named_outages():
        raise error
    assert caught.value is error


FLOWS = [
    ("annotate", {"utterances": "none.parquet", "alm": "tiny", "out": "none"}),
    ("finetune_matrix", {}),
    ("reannotate", {"sources": ("folder:none",)}),
    ("reproduce", {}),
]


@pytest.mark.parametrize(("name", "parameters"), FLOWS, ids=[name for name, _ in FLOWS])
def test_every_flow_names_a_server_that_is_gone(
    name: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOWHERE)
    called = getattr(importlib.import_module(f"ambivox.flows.{name}"), name)
    with temporary_settings({PREFECT_API_URL: NOWHERE, PREFECT_CLIENT_MAX_RETRIES: 0}):
        for flow_of_name in (called, called.with_options(retries=0)):
            with pytest.raises(OutageError, match=f"{NOWHERE} no longer answers"):
                flow_of_name(**parameters)


def test_all_flows_are_tested() -> None:
    files = Path(__file__).parents[2].joinpath("flows").glob("*.py")
    declaring = {path.stem for path in files if "\n@flow(" in path.read_text(encoding="utf-8")}
    assert declaring == {name for name, _ in FLOWS}


@pytest.mark.server
def test_what_a_deployment_reports_of_an_outage_is_one_line(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = str(PREFECT_API_URL.value())
    monkeypatch.setenv("PREFECT_API_URL", url)

    @flow(name="outage", flow_run_name="outage")
    def outage(path: str) -> None:
        request = httpx.Request("POST", f"{url}/{path}")
        raise httpx.ReadError("cut", request=request)

    result = outage("artifacts/", return_state=True).result(raise_on_failure=False)
    assert isinstance(result, OutageError)
    assert str(result).startswith(f"the Prefect server at {url} no longer answers (cut)")


@pytest.mark.server
def test_an_error_of_a_server_that_answers_is_a_fault(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    with pytest.raises(ObjectNotFound), named_outages():
        raise ObjectNotFound(KeyError("flow run"))


class Connection:
    """A way to a server that can be cut: for its client the server is gone."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            self._sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    @staticmethod
    def _forward(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def cut(self) -> None:
        """Close all connections and refuse new ones."""
        # A socket that a thread waits at stays open where it is only closed.
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def connection(prefect_server: None) -> Connection:
    address = urlsplit(str(PREFECT_API_URL.value()))
    return Connection(str(address.hostname), int(address.port or 80))


@pytest.mark.server
def test_a_run_whose_server_goes_away_ends_in_one_line(tmp_path: Path, connection: Connection) -> None:
    project = make_project(tmp_path / "project")
    url = f"http://127.0.0.1:{connection.port}/api"
    options = ("ingest.options.speakers=12", "ingest.options.utterances=20", "ingest.options.seed=2")
    process = subprocess.Popen(
        [str(COMMAND), "run", "--set", *options],
        cwd=project,
        env=environment(PREFECT_API_URL=url, PREFECT_CLIENT_MAX_RETRIES="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 200
    while not list((project / ".ambivox/prefect/runs").glob("*.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.05)
    connection.cut()
    _, said = process.communicate(timeout=100)
    assert process.returncode == 69, said
    assert said.startswith(f"ambivox: the Prefect server at {url} no longer answers"), said
    assert len(said.splitlines()) == 1, said


def test_a_flow_knows_the_types_of_its_parameters_and_can_be_sent_to_workers() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    from ambivox.flows.annotate import annotate
    from ambivox.tasks.annotate import AnnotateOptions

    given = {"utterances": "u.parquet", "alm": "tiny", "out": "out", "options": {"orders": 4}}
    assert annotate.validate_parameters(given)["options"] == AnnotateOptions(orders=4)
    assert cloudpickle.loads(cloudpickle.dumps(annotate)).name == "annotate"
