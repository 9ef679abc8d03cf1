"""The processes that a process started, directly or not, even after their own parents have ended.

They are found by a mark: an identifier in their environment, or, where a child was forked without a new program, a pipe
that it inherited. Linux only; elsewhere none is found.

As a program, ``python watchdog.py PID IDENTIFIER PIPE``, it waits for the end of a process and then ends what that one
started: after ``kill -9`` nothing else is left to do it. It imports the standard library alone, so that the program takes
8 MB and starts within 20 ms.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

# Holds the identifiers of the marked processes above, outermost first, separated by slashes.
VARIABLE = "AMBIVOX_PROCESSES"
_PROC = Path("/proc")
_POLL_SECONDS = 0.05


def marked(identifier: str, pipe: str = "") -> list[int]:
    """The process ids of this user's processes that carry a mark.

    Args:
        identifier: What the variable ``AMBIVOX_PROCESSES`` holds.
        pipe: The pipe as /proc shows it, such as "pipe:[4711]"; empty for none.

    Returns:
        Process ids, without that of this process.
    """
    return [
        int(entry.name)
        for entry in (_PROC.iterdir() if _PROC.is_dir() else ())
        if entry.name.isdigit()
        and int(entry.name) != os.getpid()
        and (_has_identifier(entry, identifier) or (pipe and _holds(entry, pipe)))
    ]


def _has_identifier(process: Path, identifier: str) -> bool:
    try:
        environment = (process / "environ").read_bytes()
    except OSError:
        return False
    for variable in environment.split(b"\0"):
        name, _, value = variable.partition(b"=")
        if name == VARIABLE.encode():
            return identifier.encode() in value.split(b"/")
    return False


def _holds(process: Path, pipe: str) -> bool:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return False
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) == pipe:
                return True
    return False


def end(identifier: str, pipe: str = "", grace_seconds: float = 2.0, spared: Collection[int] = ()) -> None:
    """End the processes that carry a mark: with SIGTERM, and with SIGKILL those that are left after a while.

    Args:
        identifier: As for ``marked``.
        pipe: As for ``marked``.
        grace_seconds: How long they have to end after SIGTERM.
        spared: Process ids to leave alone.
    """
    spared = {os.getpid(), *spared}
    deadline = time.monotonic() + grace_seconds
    asked: set[int] = set()
    while remaining := set(marked(identifier, pipe)) - spared:
        is_late = time.monotonic() > deadline
        for process in remaining if is_late else remaining - asked:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL if is_late else signal.SIGTERM)
        asked |= remaining
        if is_late and time.monotonic() > deadline + grace_seconds:
            # A process in an uninterruptible system call ends when that returns.
            return
        time.sleep(_POLL_SECONDS)


def main(arguments: list[str]) -> None:
    """Wait until the process has ended, then end what it started."""
    process, identifier, pipe = int(arguments[0]), arguments[1], arguments[2]
    descriptor = None
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process)
    # The parent may have ended before, and its number may be another process's by now.
    if descriptor is not None and os.getppid() == process:
        select.select([descriptor], [], [])
    end(identifier, pipe)


if __name__ == "__main__":
    main(sys.argv[1:])
