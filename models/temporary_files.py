"""Files and folders that are being written: beside the place that they will take, under a name that tells whose they are.

A killed process leaves them behind. The next process that writes into the same folder removes them, and puts a folder back
that was moved aside when the process was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_NAME = re.compile(
    r"\.(?P<target>.+)\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\w+\.(?P<kind>tmp|old)", re.DOTALL
)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_swept: set[Path] = set()


def temporary_file(target: Path) -> Path:
    """Make an empty file beside ``target``, whose folder is made, too."""
    folder, prefix = _place(target)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=".tmp")
    os.close(descriptor)
    return Path(name)


def temporary_folder(target: Path, kind: str = "tmp") -> Path:
    """Make an empty folder beside ``target``, whose parent is made, too.

    Args:
        target: The folder that is to be written.
        kind: "tmp" for one to write to, "old" for one that holds ``target`` while it is replaced.
    """
    folder, prefix = _place(target)
    return Path(tempfile.mkdtemp(dir=folder, prefix=prefix, suffix=f".{kind}"))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder of this user in the system's temporary folder, and remove it at the end."""
    folder = temporary_folder(Path(tempfile.gettempdir()) / "ambivox")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(temporary: Path, target: Path) -> None:
    """Give ``temporary`` the name ``target``; an earlier folder of that name is removed.

    At every moment, ``target`` is the earlier folder or the new one. Where the system cannot exchange two names at once
    (not Linux, or a network file system without it), there is a moment without either, after which ``sweep`` puts the
    earlier one back.
    """
    if not target.exists():
        temporary.rename(target)
    elif _exchange(temporary, target):
        shutil.rmtree(temporary)
    else:
        aside = temporary_folder(target, "old")
        target.rename(aside / target.name)
        temporary.rename(target)
        shutil.rmtree(aside)


def sweep(folder: Path) -> None:
    """Remove what ended processes of this machine were writing in ``folder``, once per process and folder."""
    folder = folder.resolve()
    if folder in _swept or not folder.is_dir():
        return
    _swept.add(folder)
    for entry in list(folder.iterdir()):
        match = _NAME.fullmatch(entry.name)
        if match is None or match["machine"] != _machine() or _is_alive(int(match["process"])):
            continue
        with contextlib.suppress(OSError):
            moved = entry / match["target"]
            if match["kind"] == "old" and moved.exists() and not (folder / match["target"]).exists():
                moved.rename(folder / match["target"])
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _place(target: Path) -> tuple[Path, str]:
    """The folder of a temporary entry, swept, and how the entry's name begins."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        # All folders above are there: nobody may make one here (/proc, or a current folder that was removed).
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target.parent)) from error
    sweep(target.parent)
    return target.parent, f".{target.name}.{_machine()}-{os.getpid()}-"


@cache
def _machine() -> str:
    """Eight digits for what process ids are unique in: this machine since it was started, or this container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts += [
            Path("/proc/sys/kernel/random/boot_id").read_text(),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


@cache
def _renameat2() -> Callable[[bytes, bytes], bool] | None:
    """The system call that exchanges two names; None where the C library has none."""
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return lambda a, b: function(_AT_FDCWD, a, _AT_FDCWD, b, _RENAME_EXCHANGE) == 0


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; whether that was possible."""
    function = _renameat2()
    return function is not None and function(os.fsencode(first), os.fsencode(second))
