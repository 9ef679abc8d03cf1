"""Processes end with the one that started them, and a signal ends a command within seconds: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]
LIMIT_SECONDS = 5.0  # what a user is promised
# Starts a child in a session of its own, a grandchild whose parent ends at once, and a forked copy of itself.
START = """
import os, subprocess, sys, time
from ambivox.models.processes.children import end_with_this_process
from ambivox.models.processes.interruption import code_after_signal, ended_by, exit_code, interruptible
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
end_with_this_process()
subprocess.Popen(SLEEP, start_new_session=True)
subprocess.Popen(["/bin/sh", "-c", f"{sys.executable} -c 'import time; time.sleep(600)' &"], start_new_session=True).wait()
if os.fork() == 0:
    time.sleep(600)
def wait():
    print("ready", flush=True)
    WAIT
"""
WAITS = {
    "in Python": "while True: time.sleep(1)",
    "inside a library": "import hashlib; hashlib.pbkdf2_hmac('sha256', b'x', b'y', 10**9)",
    "in an error handler": """
    while True:
        try:
            time.sleep(600)
        except BaseException:
            print("an error of a library", file=sys.stderr)""",
}
STEP = """
try:
    with interruptible():
        wait()
except KeyboardInterrupt as interruption:
    os._exit(exit_code(interruption))
"""
COMMAND = """
def end():
    print("never seen")
    time.sleep(0.2)
with interruptible(), ended_by(end):
    wait()
"""


@contextmanager
def started(program: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A program that has started its children, ended at the end whatever happens."""
    token = f"TEST_TOKEN={os.getpid()}-{time.monotonic_ns()}"
    name, _, value = token.partition("=")
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {name: value, "PYTHONPATH": str(ROOT / "src")} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    process.token = value  # type: ignore[attr-defined]
    try:
        yield process
    finally:
        for left in with_token(value):
            left.kill()
        process.wait()


def with_token(value: str) -> list[psutil.Process]:
    """The processes that a test started, wherever they are by now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TEST_TOKEN") == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def assert_nothing_is_left(value: str) -> None:
    limit = time.monotonic() + LIMIT_SECONDS
    while left := with_token(value):
        assert time.monotonic() < limit, left
        time.sleep(0.05)


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


@pytest.mark.parametrize("wait", WAITS)
def test_what_a_killed_process_started_ends_with_it(wait: str) -> None:
    with started(START.replace("WAIT", WAITS[wait]) + "wait()") as process:
        wait_until_ready(process)
        assert len(with_token(process.token)) == 5  # type: ignore[attr-defined]  # itself, three children, the watchdog
        process.send_signal(signal.SIGKILL)
        assert_nothing_is_left(process.token)  # type: ignore[attr-defined]


def test_what_a_process_started_ends_with_it_after_an_ordinary_end() -> None:
    with started(START.replace("WAIT", "pass") + "wait()") as process:
        assert process.wait(30) == 0
        assert_nothing_is_left(process.token)  # type: ignore[attr-defined]


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("kind", [STEP, COMMAND], ids=["step", "command"])
@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "ambivox: interrupted; the same command resumes\n"),
        (signal.SIGTERM, 143, "ambivox: ended by SIGTERM; the same command resumes\n"),
        (signal.SIGHUP, 129, "ambivox: ended by SIGHUP; the same command resumes\n"),
    ],
)
def test_a_signal_ends_a_command_with_one_line(
    number: signal.Signals, code: int, line: str, kind: str, wait: str
) -> None:
    with started(START.replace("WAIT", WAITS[wait]) + kind) as process:
        wait_until_ready(process)
        sent = time.monotonic()
        process.send_signal(number)
        assert process.wait(30) == code
        assert time.monotonic() - sent < LIMIT_SECONDS
        assert process.stderr is not None
        assert process.stderr.read().replace("an error of a library\n", "") == line
        assert process.stdout is not None
        assert process.stdout.read() == ""
        assert_nothing_is_left(process.token)  # type: ignore[attr-defined]


def test_a_library_that_does_not_return_ends_the_command_with_one_line() -> None:
    limited = """
from ambivox.models import time_limit
from ambivox.models.processes.interruption import end_stuck_command
time_limit._RETURN_SECONDS = 0.2
with interruptible():
    time_limit.within(0.2, wait, lambda: end_stuck_command("the model gave no answer", 69))
"""
    with started(START.replace("WAIT", WAITS["inside a library"]) + limited) as process:
        wait_until_ready(process)
        assert process.wait(LIMIT_SECONDS) == 69
        assert process.stderr is not None
        assert process.stderr.read() == "ambivox: the model gave no answer\n"
        assert_nothing_is_left(process.token)  # type: ignore[attr-defined]


def test_a_second_signal_ends_it_at_once() -> None:
    with started(START.replace("WAIT", WAITS["inside a library"]) + STEP) as process:
        wait_until_ready(process)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert time.monotonic() - sent < 2.2


def test_a_step_of_another_command_leaves_the_line_to_it() -> None:
    with started(START.replace("WAIT", WAITS["in Python"]) + STEP, AMBIVOX_PROCESSES="0123") as process:
        wait_until_ready(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_nohup_is_respected() -> None:
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + START.replace(
        "WAIT", "time.sleep(1)"
    )
    with started(program + STEP) as process:
        wait_until_ready(process)
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0
