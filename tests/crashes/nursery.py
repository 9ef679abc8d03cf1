"""Commands in forked processes: a process that has imported the libraries forks one child per command.

So a kill falls into the work of a command, and not into the seconds that its imports take. The child does what the
command `ambivox` does from there on. ``python -m tests.crashes.nursery MODULE ...`` reads one JSON object per line (words,
folder, environment, log) and answers with the child's process id, and later with its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.support.scratch_project import ROOT, environment

LIGHT = (
    "polars",
    "numpy",
    "scipy.stats",
    "soundfile",
    "ambivox.flows.cli",
    "ambivox.tasks.annotate",
    "ambivox.models.annotation.run",
)
HEAVY = (*LIGHT, "torch", "transformers.models.qwen2_audio", "peft", "matplotlib.pyplot", "sklearn.neighbors")


class Nursery:
    """The process that forks. Its children are killed by their process ids."""

    def __init__(self, modules: tuple[str, ...] = LIGHT) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes.nursery", *modules],
            cwd=ROOT,
            env=environment(OMP_NUM_THREADS="1", POLARS_MAX_THREADS="2"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()  # after the imports

    def start(self, words: tuple[str, ...], folder: Path, call: str = "", **changed: str) -> int:
        """Start a command, or "module:function" with these words; its process id."""
        request = {
            "words": words,
            "call": call,
            "folder": str(folder),
            "environment": changed,
            "log": str(folder / "log.txt"),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def wait(self) -> int:
        """The exit code of the last command, once it has ended: negative for a signal."""
        return int(self._read())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that forks has ended")
        return line


def main(modules: list[str]) -> None:
    """Import, then fork a child per request."""
    for module in modules:
        importlib.import_module(module)
    assert threading.active_count() == 1, threading.enumerate()
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(json.loads(line))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run(request: dict[str, Any]) -> None:
    from ambivox.flows.cli import build
    from ambivox.tasks._main import execute

    os.setsid()
    os.chdir(request["folder"])
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.update(request["environment"])
    if request["call"]:
        module, _, function = request["call"].partition(":")
        getattr(importlib.import_module(module), function)(*request["words"])
        os._exit(0)
    execute(build(), request["words"])


if __name__ == "__main__":
    main(sys.argv[1:])
