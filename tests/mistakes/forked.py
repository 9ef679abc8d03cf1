"""Commands in forked children of a process that has imported the libraries, with a time limit, and what they change.

That process uses no polars: its threads would not be there in the children, which would wait for them.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import shutil
import signal
import subprocess
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cyclopts import App
from pydantic import TypeAdapter

from ambivox.tasks._main import USER_MISTAKE, execute

LIMIT_SECONDS = 5.0
WAIT_FACTOR = 12
LOOK_SECONDS = 0.25
# A user who may not write where root may.
NOBODY = 65534
_OWN = (".ambivox", ".cache", ".config", "__pycache__")


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Attributes:
        code: Its exit code; negative for a signal.
        said: What it wrote to standard error.
        shown: What it wrote to standard output.
        seconds: How long it took.
        cpu_seconds: How long it kept a core busy, which a busy machine does not change.
        changed: Files and folders of the place that were added, removed or changed.
    """

    code: int
    said: str
    shown: str
    seconds: float
    cpu_seconds: float
    changed: tuple[str, ...] = ()

    @property
    def is_one_line(self) -> bool:
        """Whether it is a mistake as it should be: exit code 2, and one line."""
        return (
            self.code == USER_MISTAKE
            and len(self.said.splitlines()) == 1
            and self.said.startswith("ambivox: ")
            and self.said[:-1].isprintable()
        )


def preload(modules: Sequence[str]) -> None:
    """Import the libraries that commands use, before any process is forked."""
    for module in modules:
        importlib.import_module(module)
    # pydantic looks for plugins in all installed packages, once per process.
    TypeAdapter(int)


def run_forked(
    application: App,
    words: Sequence[str],
    place: Path,
    *,
    folder: str = "project",
    limit_seconds: float = LIMIT_SECONDS,
    as_nobody: bool = False,
) -> Ending:
    """Run a command in a child of this process.

    Args:
        application: The command line.
        words: The words after ``ambivox``.
        place: A folder with the folders of ``make_place``; what changes in it is reported.
        folder: The current folder of the command, below the place.
        limit_seconds: After so long it is killed, with all of its session; the code is then -9. What counts is how long
            it computes, since others may keep the machine busy; it may wait for twelve times as long.
        as_nobody: Whether a user without rights runs it.
    """
    before = entries(place)
    said, shown = place.parent / f"{place.name}.stderr", place.parent / f"{place.name}.stdout"
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(application, words, place, folder, (shown, said), as_nobody)
    _end_after(child, started, limit_seconds)
    _, status, used = os.wait4(child, 0)
    seconds = time.monotonic() - started
    changed = differences(before, entries(place))
    return Ending(
        os.waitstatus_to_exitcode(status),
        said.read_text(encoding="utf-8", errors="replace"),
        shown.read_text(encoding="utf-8", errors="replace"),
        seconds,
        used.ru_utime + used.ru_stime,
        changed,
    )


def _end_after(child: int, started: float, limit_seconds: float) -> None:
    """Wait until a process ends; kill it, with its session, once it has computed or waited for too long."""
    with contextlib.closing(_Descriptor(os.pidfd_open(child))) as handle:
        while not select.select([handle], [], [], LOOK_SECONDS)[0]:
            waited_seconds = time.monotonic() - started
            if cpu_seconds(child) >= limit_seconds or waited_seconds >= WAIT_FACTOR * limit_seconds:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                return


def cpu_seconds(process: int) -> float:
    """How long a process and the children that it waited for have kept a core busy."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def make_place(place: Path) -> Path:
    """Make the folders of a user: a project, a home and a folder for temporary files."""
    for name in ("project", "home", "tmp"):
        (place / name).mkdir(parents=True, exist_ok=True)
    return place


class _Descriptor:
    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        os.close(self._number)


def _become(
    application: App,
    words: Sequence[str],
    place: Path,
    folder: str,
    outputs: tuple[Path, Path],
    as_nobody: bool,
) -> None:
    try:
        become_user_of(place, folder, outputs)
        if as_nobody:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        execute(application, list(words))
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    except BaseException:  # noqa: BLE001  (what the process dies of is its outcome)
        traceback.print_exc()
        os._exit(1)


def become_user_of(place: Path, folder: str, outputs: tuple[Path, Path]) -> None:
    """Make this process one of the user of a place: session, current folder, streams and environment.

    Args:
        place: A folder with the folders of ``make_place``.
        folder: The current folder, below the place.
        outputs: The files to which standard output and standard error are written.
    """
    os.setsid()
    os.chdir(place / folder)
    streams = [os.open(os.devnull, os.O_RDONLY)]
    streams += [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND) for path in outputs]
    for target, source in enumerate(streams):
        os.dup2(source, target)
    home = place / "home"
    os.environ |= {"HOME": str(home), "TMPDIR": str(place / "tmp"), "XDG_CACHE_HOME": str(home / ".cache")}
    os.environ.pop("AMBIVOX_CACHE", None)


def entries(place: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, size and time of every entry, without those that are Ambivox's and libraries' own."""
    known: dict[str, tuple[int, int, int]] = {}
    folders = [str(place)]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.name in _OWN or entry.path.endswith("/.dvc/tmp"):
                continue
            found = entry.stat(follow_symlinks=False)
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder:
                folders.append(entry.path)
            size, changed = (0, 0) if is_folder else (found.st_size, found.st_mtime_ns)
            known[entry.path[len(str(place)) + 1 :]] = (found.st_mode, size, changed)
    return known


def differences(
    before: dict[str, tuple[int, int, int]], after: dict[str, tuple[int, int, int]]
) -> tuple[str, ...]:
    """The names of entries that differ."""
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


def restore(place: Path, original: Path, changed: Sequence[str] | None = None) -> None:
    """Make a place what it was, pipes and sockets included.

    Args:
        place: The place.
        original: A place like it, in which nothing runs.
        changed: What has changed; by default everything.
    """
    if changed is None:
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(["cp", "-a", original, place], check=True)
        return
    for name in changed:
        path, source = place / name, original / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        if os.path.lexists(source) and os.path.lexists(path.parent) and not os.path.lexists(path):
            subprocess.run(["cp", "-a", source, path], check=True)
