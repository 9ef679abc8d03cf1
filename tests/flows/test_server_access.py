"""A Prefect server that others reach asks for a password, at its API and at the reports."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ambivox.flows import run_records
from ambivox.flows.prefect_settings import missing_settings
from ambivox.flows.server_access import (
    CLIENT_PASSWORD,
    SERVER_PASSWORD,
    addresses,
    check_host,
    is_authorised,
    url_host,
)
from ambivox.models.errors import UserError
from tests.support.scratch_project import ambivox, make_project

PASSWORD = "anna:a-long-passphrase"
RUN = "0b3f2f9e-1111-4222-8333-444455556666"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "my-machine", "10.0.0.1"])  # noqa: S104
@pytest.mark.parametrize(
    ("password", "complaint"),
    [
        (None, "is not set"), ("", "is not set"), ("no-colon-in-it", "not of the form user:password"), (":a-long-passphrase", "not of the form"),
        ("anna:short", "fewer than 12 characters"), ("anna:change-me-please", "that of an example"), ("anna:ChangeMe12345", "that of an example"),
    ],
)  # fmt: skip
def test_others_are_refused_without_a_password(
    host: str, password: str | None, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SERVER_PASSWORD, raising=False)
    if password is not None:
        monkeypatch.setenv(SERVER_PASSWORD, password)
    with pytest.raises(UserError, match=f"--host .*{complaint}"):
        check_host(host)


def test_this_machine_needs_none_and_others_are_let_in_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVER_PASSWORD, raising=False)
    for host in ("127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"):
        check_host(host)
    monkeypatch.setenv(SERVER_PASSWORD, PASSWORD)
    check_host("0.0.0.0")  # noqa: S104


def test_the_command_refuses_before_it_starts_anything(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", with_git=False)
    refused = ambivox(project, "ui", "--host", "0.0.0.0")  # noqa: S104
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "PREFECT_SERVER_API_AUTH_STRING is not set" in refused.stderr
    assert not (project / ".ambivox").exists()


@pytest.mark.parametrize("host", ["nosuch.invalid", "a b", "[::1", "::g", "x" * 70, ".", "-", "é" * 70])
def test_a_host_without_an_address_is_one_line(tmp_path: Path, host: str) -> None:
    project = make_project(tmp_path / "project", with_git=False)
    refused = ambivox(project, "ui", f"--host={host}", PREFECT_SERVER_API_AUTH_STRING=PASSWORD)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert "no address of that name" in refused.stderr
    assert not (project / ".ambivox").exists()


@pytest.mark.parametrize("host", ["::1", "[::1]", "127.0.0.1", "localhost"])
def test_an_address_that_is_taken_is_named(tmp_path: Path, host: str) -> None:
    bare = host.strip("[]")
    family, address = addresses(bare, 0)[0]
    with socket.socket(family) as other:
        try:
            other.bind(address)
        except OSError as error:
            pytest.skip(str(error))
        other.listen()
        port = other.getsockname()[1]
        project = make_project(tmp_path / "project", with_git=False)
        refused = ambivox(project, "ui", "--host", host, "--port", str(port))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert f"{url_host(bare)}:{port} is taken" in refused.stderr


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "is_allowed"),
    [
        (basic(PASSWORD), True), (basic(PASSWORD).replace("Basic", "basic"), True), (None, False), ("", False), (basic("anna:wrong"), False),
        ("Bearer x", False), ("Basic ???", False), ("Basic", False), (basic(PASSWORD) + " x", False), (basic(""), False),
    ],
)  # fmt: skip
def test_the_password_is_compared(header: str | None, is_allowed: bool) -> None:
    assert is_authorised(header, PASSWORD) == is_allowed
    assert is_authorised(header, None)


def test_the_reports_ask_for_it_and_the_api_too(tmp_path: Path) -> None:
    import subprocess
    import sys

    project = make_project(tmp_path / "project", with_git=False)
    (project / "data/demo").mkdir(parents=True)
    (project / "data/demo/report.html").write_text("<p>spoken words</p>")
    asked = """
import json, sys
from starlette.testclient import TestClient
from ambivox.flows.report_pages import create_app
client = TestClient(create_app())
answers = {}
for name, header in (("without", {}), ("with", {"Authorization": sys.argv[1]})):
    for page in ("/reports/demo", "/reports/nonesuch", "/api/admin/version", "/api/health"):
        answers[f"{name} {page}"] = client.get(page, headers=header).status_code
print(json.dumps(answers))
"""
    environment = os.environ | {
        "AMBIVOX_PROJECT": str(project),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        SERVER_PASSWORD: PASSWORD,
        "PREFECT_UI_ENABLED": "false",
    }
    finished = subprocess.run(
        [sys.executable, "-c", asked, basic(PASSWORD)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(finished.stdout.splitlines()[-1]) == {
        "without /reports/demo": 401, "without /reports/nonesuch": 401, "without /api/admin/version": 401, "without /api/health": 200,
        "with /reports/demo": 200, "with /reports/nonesuch": 404, "with /api/admin/version": 200, "with /api/health": 200,
    }  # fmt: skip


def test_runs_of_the_project_send_it(tmp_path: Path) -> None:
    assert missing_settings(tmp_path, {SERVER_PASSWORD: PASSWORD})[CLIENT_PASSWORD] == PASSWORD
    assert CLIENT_PASSWORD not in missing_settings(tmp_path, {})
    assert CLIENT_PASSWORD not in missing_settings(
        tmp_path, {SERVER_PASSWORD: PASSWORD, CLIENT_PASSWORD: "other"}
    )


@pytest.fixture
def api() -> Iterator[Callable[[int], str]]:
    """A server that gives every request one status; its address."""
    servers = []

    def serve(status: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = (
                    json.dumps({"state_type": "RUNNING"}).encode()
                    if self.path.startswith("/flow_runs")
                    else b"[]"
                )
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "is_closed"), [(401, False), (500, False), (503, False), (404, True)])
@pytest.mark.parametrize(
    "content", ['{"process": 1, "started": "before"}', "", "[]", '{"process": 1e999}', "[" * 100_000]
)
def test_a_run_stays_on_record_until_the_server_has_closed_it(
    tmp_path: Path, api: Callable[[int], str], status: int, is_closed: bool, content: str
) -> None:
    record = tmp_path / ".ambivox/prefect/runs" / f"{RUN}.json"
    record.parent.mkdir(parents=True)
    record.write_text(content)
    assert run_records.close_ended_runs(tmp_path, "http://127.0.0.1:9") == []  # nothing listens there
    assert record.exists()
    assert run_records.close_ended_runs(tmp_path, api(status)) == ([RUN] if is_closed else [])
    assert record.exists() != is_closed
