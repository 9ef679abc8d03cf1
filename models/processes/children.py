"""Marking the processes that this one starts, and ending them with it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ambivox.models.processes import watchdog


@dataclass(frozen=True)
class _Mark:
    """This process's mark: ``process`` tells it from a forked child, which has a copy of it."""

    process: int
    identifier: str
    pipe: str


_marks: list[_Mark] = []


def is_started_by_another() -> bool:
    """Whether this process was started by another one that has a mark, such as a stage by ``ambivox run``."""
    own = _marks[-1].identifier if _marks and _marks[-1].process == os.getpid() else ""
    return any(name != own for name in os.environ.get(watchdog.VARIABLE, "").split("/") if name)


def end_with_this_process() -> None:
    """See to it that what this process starts from now on ends with it, however it ends. Linux only.

    A small process waits for the end of this one. Further calls change nothing.
    """
    if not hasattr(os, "pidfd_open") or (_marks and _marks[-1].process == os.getpid()):
        return
    # Neither end is used: a forked child is known by holding it. Programs that are started do not inherit it.
    read_end, _ = os.pipe()
    mark = _Mark(os.getpid(), uuid.uuid4().hex, str(Path(f"/proc/self/fd/{read_end}").readlink()))
    # Without the watchdog (no more processes allowed, for example), signals still end everything.
    with contextlib.suppress(OSError):
        subprocess.Popen(
            [
                sys.executable,
                "-E",
                "-s",
                "-S",
                watchdog.__file__,
                str(mark.process),
                mark.identifier,
                mark.pipe,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    outer = os.environ.get(watchdog.VARIABLE, "")
    os.environ[watchdog.VARIABLE] = f"{outer}/{mark.identifier}".lstrip("/")
    _marks.append(mark)


def end_children(grace_seconds: float = 2.0, spared: Collection[int] = ()) -> None:
    """End what this process started since ``end_with_this_process``; see ``watchdog.end``."""
    if _marks and _marks[-1].process == os.getpid():
        watchdog.end(_marks[-1].identifier, _marks[-1].pipe, grace_seconds, spared)
