"""The recorded pipeline, as DVC knows it: its stages, which of them are stale, and bringing one up to date.

DVC alone decides what is stale and writes data/ and dvc.lock; this module asks it and runs it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ambivox.flows.stage_process import LOCK_HELD
from ambivox.models.dvc_files import recover, repo_config
from ambivox.models.errors import UserError
from ambivox.models.logs import LOG_FILE, MEASURED
from ambivox.models.processes.children import end_with_this_process
from ambivox.models.temporary_files import temporary_file

if TYPE_CHECKING:
    import networkx

_TIMEOUT_SECONDS = 6 * 3600.0  # a stage may train for hours, and holds what it writes
_PAUSE_SECONDS = 2.0
_ENDED_BY_THE_SYSTEM = {
    code for number in (signal.SIGKILL, signal.SIGABRT) for code in (128 + number, -number)
}
_LOG_SECONDS = 0.2

# Called with the level, the text and the figures of what a step logs.
OnLog = Callable[[str, str, dict[str, float]], None]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml: its address (``pool@demo``), the addresses it waits for, and whether it is stale."""

    address: str
    upstream: tuple[str, ...]
    stale: bool

    @property
    def step(self) -> str:
        """The step it runs (``pool``)."""
        return self.address.split("@")[0]

    @property
    def corpus(self) -> str:
        """The corpus it runs on (``demo``): the first word of what follows the step."""
        return self.address.partition("@")[2].split("-")[0]


class StageFailedError(RuntimeError):
    """A stage's command failed; ``exit_code`` is what the command itself returned, ``reason`` its last error."""

    def __init__(self, address: str, exit_code: int, reason: str = "") -> None:
        if exit_code in _ENDED_BY_THE_SYSTEM:
            # Nothing of it was left to say so. Libraries abort (SIGABRT) where they get no memory.
            reason = "the system ended it, as it does where memory runs out" + (
                f"; {reason}" if reason else ""
            )
        super().__init__(
            f"stage {address} failed with exit code {exit_code}{f': {reason}' if reason else ''}"
        )
        self.address, self.exit_code, self.reason = address, exit_code, reason


class LockHeldError(RuntimeError):
    """Another process holds DVC's lock; worth trying again a little later."""


def stages(
    project: Path,
    corpora: tuple[str, ...] = (),
    steps: tuple[str, ...] = (),
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> list[Stage]:
    """The stages of these corpora (all, if none is named), upstream first, each marked stale or not.

    Stale is what changed by itself and everything downstream of that. With ``steps``, only those steps and
    what they wait for. While another run is writing what is asked about, this waits for it.

    Raises:
        UserError: dvc.yaml or params.yaml cannot be read, or name a corpus that is not there, or another run
            kept its files to itself for longer than ``timeout_seconds``.
    """
    import networkx
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    deadline, is_reported = time.monotonic() + timeout_seconds, False
    while True:
        try:
            graph, dvc_names, targets, changed = _query_dvc(project, corpora)
            break
        except LockError as error:
            if time.monotonic() > deadline:
                raise UserError(f"another run is busy in {project}, try again later: {error}") from error
            if not is_reported:
                _logger.warning(f"another run is busy in {project}; waiting for it")
            is_reported = True
            time.sleep(_PAUSE_SECONDS)
        except DvcException as error:
            raise UserError(f"DVC cannot read the pipeline of {project}: {error}") from error
    if steps:
        ends = [address for address in targets if Stage(address, (), False).step in steps]
        targets = [a for a in targets if any(a == end or networkx.has_path(graph, end, a) for end in ends)]
    for corpus in corpora:
        if not any(Stage(address, (), False).corpus == corpus for address in targets):
            raise UserError(f"no stage of dvc.yaml runs on corpus {corpus!r}; is it listed in params.yaml?")
    order = [
        address for address in reversed(list(networkx.topological_sort(graph))) if address in set(targets)
    ]
    by_address: dict[str, Stage] = {}
    for address in order:
        upstream = tuple(sorted(set(graph.successors(address)) & set(order)))
        stale = dvc_names[address] in changed or any(by_address[name].stale for name in upstream)
        by_address[address] = Stage(address, upstream, stale)
    return list(by_address.values())


def _query_dvc(
    project: Path, corpora: tuple[str, ...]
) -> tuple[networkx.DiGraph, dict[str, str], list[str], dict[str, Any]]:
    """What waits for what, DVC's own names, the stages of these corpora, and what changed by itself."""
    import networkx
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    recover(project)
    with Repo(str(project), config=repo_config(project)) as repo:
        graph = networkx.DiGraph()
        # DVC's own addresses depend on the folder one asks from; the names in dvc.yaml do not.
        # Files that `dvc add` tracks (a promoted annotator, a corpus) have a pointer, but nothing to run.
        dvc_names = {s.name: s.addressing for s in repo.index.stages if isinstance(s, PipelineStage)}
        graph.add_nodes_from(dvc_names)
        edges = repo.index.graph.edges
        graph.add_edges_from((a.name, b.name) for a, b in edges if isinstance(b, PipelineStage))
        targets = [address for address in graph if not corpora or Stage(address, (), False).corpus in corpora]
        changed = repo.status(targets=[dvc_names[address] for address in targets]) if targets else {}
    return graph, dvc_names, targets, changed


def announce(stage: Stage) -> None:
    """Show that a stage begins."""
    _logger.info(f"── {stage.address}")


def reproduce_stage(
    project: Path, address: str, force: bool = False, on_log: OnLog = lambda *_: None
) -> None:
    """Bring one stage up to date in a process of its own; what its command logs goes to this terminal.

    Args:
        project: The folder that holds dvc.yaml.
        address: The stage, such as pool@demo.
        force: Run it whether it is stale or not.
        on_log: Called with the level, the text and the figures of everything that the step logs, while it runs.

    Raises:
        LockHeldError: Another process holds DVC's lock.
        StageFailedError: The stage's command failed; the message carries the step's own last error.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "ambivox.flows.stage_process",
        address,
        *(["--force"] if force else []),
    ]
    # The stage's command is `ambivox ...`: the one beside this interpreter, whatever the shell's PATH says.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    last_error = ""
    # A worker's flow has no command around it that ends the stage, should the flow be killed.
    end_with_this_process()
    log_file = temporary_file(project.resolve() / ".ambivox" / "stage_logs" / f"{address}.log")
    # DVC runs commands in the user's own shell, which may be none (nologin) or read its own start-up files.
    environment = os.environ | {"PATH": path, LOG_FILE: str(log_file), "SHELL": "/bin/sh"}
    # In a session of its own, so that Ctrl-C reaches this process alone, which then ends the stage.
    try:
        with (
            log_file.open(encoding="utf-8") as log,
            subprocess.Popen(command, cwd=project, env=environment, start_new_session=True) as process,
        ):
            while True:
                ended = process.poll() is not None
                for level, message, figures in _records(log):
                    last_error = message if level == "ERROR" else last_error
                    on_log(level, message, figures)
                if ended:
                    break
                time.sleep(_LOG_SECONDS)
    finally:
        log_file.unlink(missing_ok=True)
    if process.returncode == LOCK_HELD:
        raise LockHeldError(f"DVC's lock is held by another process; {address} waits for it")
    if process.returncode:
        raise StageFailedError(address, process.returncode, last_error)


def _records(log: IO[str]) -> Iterator[tuple[str, str, dict[str, float]]]:
    """The complete lines that were added to a step's log since the last call."""
    while True:
        start = log.tell()
        line = log.readline()
        if not line.endswith("\n"):
            log.seek(start)
            return
        record = json.loads(line)
        yield record["level"], record["message"], record[MEASURED]
