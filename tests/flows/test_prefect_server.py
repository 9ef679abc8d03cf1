"""Waiting for a Prefect server: one that is slow to start, one that never answers, and one that ends."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from ambivox.flows import prefect_server
from ambivox.flows.prefect_server import PrefectServer
from ambivox.flows.prefect_settings import prefect_home
from ambivox.models.errors import OutageError
from tests.support.vllm_servers import free_port

# Says something, waits, and then answers every request with 200.
SLOW = """
import http.server, sys, time
print("loading the database", flush=True)
time.sleep(float(sys.argv[2]))
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Healthy).serve_forever()
"""


def start(project: Path, code: str, seconds: float) -> PrefectServer:
    port = free_port()
    prefect_home(project).mkdir(parents=True)
    with (prefect_home(project) / "server.log").open("wb") as log:
        command = [sys.executable, "-c", code, str(port), str(seconds)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    return PrefectServer(project, process, f"http://127.0.0.1:{port}/api")


def test_a_slow_start_is_waited_for_with_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prefect_server, "_NOTICE_SECONDS", 0.3)
    server = start(tmp_path, SLOW, 1.2)
    with caplog.at_level(logging.INFO, "ambivox"):
        server.wait()
    server.stop()
    messages = [record.getMessage() for record in caplog.records]
    assert 1 <= len(messages) <= 10
    assert all("waiting for the Prefect server" in text and str(server.log) in text for text in messages)


def test_a_server_that_never_answers_is_given_up_and_its_log_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefect_server, "_START_SECONDS", 3.0)
    server = start(tmp_path, SLOW, 600)
    with pytest.raises(OutageError, match=r"has not answered .*loading the database; its log is") as caught:
        server.wait()
    server.stop()
    assert str(server.log) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('no such table: flow_run')", "no such table: flow_run"),
        ("print('ConnectionRefusedError: nobody listens\\n\\nERROR | Startup failed. Exiting.')", "ConnectionRefusedError: nobody listens"),
        ("raise RuntimeError('no room')", "RuntimeError: no room"),
        ("", "it says nothing"),
    ],
)  # fmt: skip
def test_a_server_that_ends_is_said_at_once_with_its_reason(tmp_path: Path, code: str, reason: str) -> None:
    server = start(tmp_path, code, 0)
    with pytest.raises(OutageError, match=rf"does not start .{reason}; its log is"):
        server.wait()


def test_a_server_writes_its_errors_though_commands_keep_them_from_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "PREFECT_INTERNAL_LOGGING_LEVEL")
    for name in names:
        monkeypatch.setenv(name, "CRITICAL")
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\necho levels: ${names[0]} ${names[1]}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    prefect_home(tmp_path).mkdir(parents=True)
    with pytest.raises(OutageError, match="levels: ERROR ERROR"):
        PrefectServer.start(tmp_path).wait()


def test_a_server_that_is_killed_while_it_serves_is_an_outage(tmp_path: Path) -> None:
    server = start(tmp_path, SLOW, 0)
    server.wait()
    server.process.kill()
    with pytest.raises(OutageError, match=r"has ended by itself .*its log is .*start the same command"):
        server.wait_for_its_end()


@pytest.mark.parametrize(
    ("words", "is_started_again"),
    [("sqlite3.IntegrityError: UNIQUE constraint failed: block_type.slug", True), ("ValueError: no", False)],
)
def test_a_server_is_started_again_where_another_made_its_database(
    tmp_path: Path, words: str, is_started_again: bool
) -> None:
    server = start(tmp_path, f"raise SystemExit({words!r})", 0)
    port = server.url.split(":")[2].removesuffix("/api")
    server.start_again = lambda: subprocess.Popen([sys.executable, "-c", SLOW, port, "0"])
    if is_started_again:
        server.wait()
    else:
        with pytest.raises(OutageError, match=words):
            server.wait()
    server.stop()
