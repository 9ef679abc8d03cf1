"""Waiting for a Prefect server: one that is slow to start, one that never answers, one that ends, and several at once."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from fastapi import FastAPI

from ambivox.flows import prefect_server, report_pages
from ambivox.flows.prefect_server import PrefectServer
from ambivox.flows.prefect_settings import apply_settings, prefect_home
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


def test_servers_of_a_new_project_that_start_at_once_make_its_tables_in_turn(tmp_path: Path) -> None:
    with patch.dict(os.environ):
        apply_settings(tmp_path)
        servers = [PrefectServer.start(tmp_path) for _ in range(3)]
    try:
        for server in servers:
            server.wait()
    finally:
        for server in servers:
            server.stop()


def test_a_start_waits_for_that_of_another_server(tmp_path: Path) -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def slow(_: object) -> AsyncIterator[None]:
        steps.append("begins")
        await asyncio.sleep(0.3)
        steps.append("has started")
        yield
        steps.append("ends")

    async def serve() -> None:
        app = FastAPI(lifespan=slow)
        report_pages._start_one_at_a_time(app, tmp_path / "lock")
        async with app.router.lifespan_context(app):
            await asyncio.sleep(1.0)

    async def both() -> None:
        await asyncio.gather(serve(), serve())

    asyncio.run(both())
    assert steps == ["begins", "has started", "begins", "has started", "ends", "ends"]
