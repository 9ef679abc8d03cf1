"""A forked process that runs many commands one after another: ten times as many cases in the same time.

What a command leaves in the process, such as a cache, may change how a later one ends. So wrong files have names of their
own, a process is used for a few commands only, and what ends wrongly is run again in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from ambivox.tasks._main import run
from tests.mistakes.forked import LOOK_SECONDS, WAIT_FACTOR, become_user_of, cpu_seconds

_MOST_COMMANDS = 60
_DIED = -9


class Worker:
    """Runs commands in a place, in a process that is replaced after some."""

    def __init__(self, application: App, place: Path, limit_seconds: float) -> None:
        """Start with no process.

        Args:
            application: The command line.
            place: Where the commands run.
            limit_seconds: How long a command may compute.
        """
        self._application, self._place, self._limit_seconds = application, place, limit_seconds
        self._child, self._used = 0, 0
        self._asks = self._answers = -1

    def run(self, words: Sequence[str], said: Path, shown: Path) -> int:
        """Run a command; returns its exit code, or a negative number where the process ended or was ended."""
        if not self._child or self._used >= _MOST_COMMANDS:
            self.close()
            self._start(said, shown)
        self._used += 1
        for path in (said, shown):
            path.write_bytes(b"")
        os.write(self._asks, "\0".join(words).encode("utf-8", "surrogateescape") + b"\n\n")
        begun, computed = time.monotonic(), cpu_seconds(self._child)
        while not select.select([self._answers], [], [], LOOK_SECONDS)[0]:
            waited = time.monotonic() - begun
            if (
                cpu_seconds(self._child) - computed >= self._limit_seconds
                or waited >= WAIT_FACTOR * self._limit_seconds
            ):
                break
        else:
            if answer := os.read(self._answers, 100):
                return int(answer)
        self.close()
        return _DIED

    def close(self) -> None:
        """End the process, with all of its session."""
        if not self._child:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._asks)
        os.close(self._answers)
        self._child, self._used = 0, 0

    def _start(self, said: Path, shown: Path) -> None:
        asked, self._asks = os.pipe()
        self._answers, answered = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._asks)
            os.close(self._answers)
            _serve(self._application, self._place, (shown, said), asked, answered)
        os.close(asked)
        os.close(answered)


def _serve(application: App, place: Path, outputs: tuple[Path, Path], asked: int, answered: int) -> None:
    try:
        become_user_of(place, "project", outputs)
        while question := _next(asked):
            os.chdir(place / "project")
            words = question.decode("utf-8", "surrogateescape").split("\0")
            try:
                code = run(application, words)
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 1
            except BaseException:  # noqa: BLE001  (what the command dies of is its outcome)
                traceback.print_exc()
                code = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(answered, str(code).encode())
    finally:
        os._exit(1)


def _next(descriptor: int) -> bytes:
    content = b""
    while not content.endswith(b"\n\n"):
        if not (part := os.read(descriptor, 65536)):
            return b""
        content += part
    return content[:-2]
