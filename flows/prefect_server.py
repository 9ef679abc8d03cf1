"""A Prefect server that lives as long as the command that starts it, with its output in a file.

Nothing of Prefect is imported here: the server starts in the background while the command does something else.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ambivox.flows.prefect_settings import is_healthy, prefect_home
from ambivox.flows.report_pages import PROJECT
from ambivox.flows.server_access import url_host
from ambivox.models.errors import OutageError

# It takes some seconds on an idle machine, and minutes on a busy one.
_START_SECONDS = 1200.0
_NOTICE_SECONDS = 30.0
_STOP_SECONDS = 1.5
_POLL_SECONDS = 0.1
_LOG = "server.log"
# A server that many runs use stores the states of task runs a hundred at a time, a second late at most: half the work per
# task run. The server of one run stores each at once, since it ends with the run, and an interrupted run closes what is stored.
SHARED_SERVER = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
_DATABASE = "prefect.db"
# The last line of a traceback; the lines after it do not say why the server ended.
_EXCEPTION = re.compile(r"[\w.]*(?:Error|Exception): \S")
# Where a server that listens on every address is reached; one that listens on :: answers to IPv6 alone.
_THIS_MACHINE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (compared, not bound)
_logger = logging.getLogger(__name__)


@dataclass
class PrefectServer:
    """A running server, or one that is starting.

    Attributes:
        project: The folder that holds dvc.yaml.
        process: The server's process; it has a session of its own, so that Ctrl-C does not reach it.
        url: The URL of its API.
    """

    project: Path
    process: subprocess.Popen[bytes]
    url: str

    @classmethod
    def start(
        cls, project: Path, host: str = "127.0.0.1", port: int = 0, *, with_ui: bool = False
    ) -> PrefectServer:
        """Start a server on this project's database; it answers some seconds later.

        Args:
            project: The folder that holds dvc.yaml.
            host: The address to listen on.
            port: The port to listen on; 0 for any free one.
            with_ui: Whether it serves the pages, too, and may be used by many runs.
        """
        port = port or _free_port()
        environment = os.environ | {"PREFECT_UI_ENABLED": "true" if with_ui else "false"}
        if with_ui:
            environment = SHARED_SERVER | environment
        # Relative, so that the pages find their server through any port, tunnel or proxy that they came through.
        environment.setdefault("PREFECT_UI_API_URL", "/api")
        environment.pop("PREFECT_API_URL", None)
        # Its output is a file, which says why it ended; only that of commands is silent.
        environment |= {
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
            "PREFECT_INTERNAL_LOGGING_LEVEL": "ERROR",
        }
        environment[PROJECT] = str(project.resolve())
        command = [sys.executable, "-m", "uvicorn", "--factory", "ambivox.flows.report_pages:create_app"]
        command += ["--host", host, "--port", str(port), "--log-level", "warning", "--lifespan", "on"]

        with (prefect_home(project) / _LOG).open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=project,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        shown_host = _THIS_MACHINE.get(host, host)
        return cls(project, process, f"http://{url_host(shown_host)}:{port}/api")

    @property
    def log(self) -> Path:
        """The file with what the server says."""
        return prefect_home(self.project) / _LOG

    def wait(self) -> None:
        """Wait until the server answers; on a busy machine that takes minutes, and every half a minute a line says so.

        Raises:
            OutageError: It ended, or does not answer within 20 minutes; the message carries the last line of its log.
        """
        started = time.monotonic()
        next_notice = _NOTICE_SECONDS
        while (waited := time.monotonic() - started) < _START_SECONDS:
            if is_healthy(self.url):
                return
            if self.process.poll() is not None:
                raise OutageError(f"the Prefect server of this project does not start ({self._last_words()})")
            if waited >= next_notice:
                _logger.info(
                    f"waiting for the Prefect server of this project, which has not answered for {waited:.0f} s (a busy "
                    f"machine is slow to start it); its log is {self.log}"
                )
                next_notice = waited + _NOTICE_SECONDS
            time.sleep(_POLL_SECONDS)
        raise OutageError(
            f"the Prefect server of this project runs, but has not answered for {_START_SECONDS / 60:.0f} min "
            f"({self._last_words()}); start the same command again when the machine is less busy"
        )

    def wait_for_its_end(self) -> NoReturn:
        """Wait as long as the server runs.

        Raises:
            OutageError: It has ended, and nobody here ended it.
        """
        self.process.wait()
        raise OutageError(
            f"the Prefect server of this project has ended by itself ({self._last_words()}); the runs stay: start the same "
            "command again"
        )

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines()]
        named = (line for line in reversed(lines) if _EXCEPTION.match(line))
        last = next(named, None) or next(filter(None, reversed(lines)), "it says nothing")
        return f"{last}; its log is {self.log}"

    def stop(self) -> None:
        """End the server."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def check_database(project: Path) -> str | None:
    """Move a damaged database of this project's runs aside, so that a new one is made.

    Only the record of earlier runs is in it; what DVC knows and all results are elsewhere.

    Returns:
        A note for the user; None where the database is sound or absent.
    """
    path = prefect_home(project) / _DATABASE
    if not path.is_file():
        return None
    try:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5) as connection:
            tables = [
                name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
            ]
            for table in ("flow_run", "task_run", "artifact"):
                if table in tables:
                    connection.execute(f"select max(id), max(created) from {table}").fetchone()  # noqa: S608  (a constant)
    except sqlite3.OperationalError:
        # Locked by another run, for example; the server says what is wrong.
        return None
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{_DATABASE}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return f"{path} was damaged ({error}); it is now {aside.name}, and a new one records the runs from here on"
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
