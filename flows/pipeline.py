"""The recorded pipeline, as DVC knows it: its stages, which of them are stale, and bringing one up to date.

DVC alone decides what is stale and writes data/ and dvc.lock; this module asks it and runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambivox.flows.stage_process import LOCK_HELD
from ambivox.models.errors import UserError

if TYPE_CHECKING:
    import networkx

_PATIENCE_SECONDS = 6 * 3600.0  # a stage may train for hours, and holds what it writes
_PAUSE_SECONDS = 2.0


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
    """A stage's command ended badly; ``exit_code`` is what the command itself returned."""

    def __init__(self, address: str, exit_code: int) -> None:
        super().__init__(f"stage {address} ended with exit code {exit_code}")
        self.address, self.exit_code = address, exit_code


class LockHeldError(RuntimeError):
    """Another process holds DVC's lock; worth trying again a little later."""


def stages(
    project: Path,
    corpora: tuple[str, ...] = (),
    steps: tuple[str, ...] = (),
    patience_seconds: float = _PATIENCE_SECONDS,
) -> list[Stage]:
    """The stages of these corpora (all, if none is named), upstream first, each marked stale or not.

    Stale is what changed by itself and everything downstream of that. With ``steps``, only those steps and
    what they wait for. While another run is writing what is asked about, this waits for it.

    Raises:
        UserError: dvc.yaml or params.yaml cannot be read, or name a corpus that is not there, or another run
            kept its files to itself for longer than ``patience_seconds``.
    """
    import networkx
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    give_up, told = time.monotonic() + patience_seconds, False
    while True:
        try:
            graph, asked_as, targets, changed = _ask(project, corpora)
            break
        except LockError as error:
            if time.monotonic() > give_up:
                raise UserError(f"another run is busy in {project}, try again later: {error}") from error
            if not told:
                print(f"another run is busy in {project}; waiting for it", file=sys.stderr)
            told = True
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
    made: dict[str, Stage] = {}
    for address in order:
        upstream = tuple(sorted(set(graph.successors(address)) & set(order)))
        stale = asked_as[address] in changed or any(made[one].stale for one in upstream)
        made[address] = Stage(address, upstream, stale)
    return list(made.values())


def _ask(
    project: Path, corpora: tuple[str, ...]
) -> tuple[networkx.DiGraph, dict[str, str], list[str], dict[str, Any]]:
    """What waits for what, DVC's own names, the stages of these corpora, and what changed by itself."""
    import networkx
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    with Repo(str(project)) as repo:
        graph = networkx.DiGraph()
        # DVC's own addresses depend on the folder one asks from; the names in dvc.yaml do not.
        # Files that `dvc add` tracks (a promoted annotator, a corpus) have a pointer, but nothing to run.
        asked_as = {s.name: s.addressing for s in repo.index.stages if isinstance(s, PipelineStage)}
        graph.add_nodes_from(asked_as)
        edges = repo.index.graph.edges
        graph.add_edges_from((a.name, b.name) for a, b in edges if isinstance(b, PipelineStage))
        targets = [address for address in graph if not corpora or Stage(address, (), False).corpus in corpora]
        changed = repo.status(targets=[asked_as[address] for address in targets]) if targets else {}
    return graph, asked_as, targets, changed


def reproduce_stage(project: Path, address: str, force: bool = False) -> None:
    """Bring one stage up to date in a process of its own; what its command prints goes to this terminal.

    Raises:
        LockHeldError: another process holds DVC's lock.
        StageFailedError: the stage's command ended badly.
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
    exit_code = subprocess.run(command, cwd=project, check=False, env=os.environ | {"PATH": path}).returncode
    if exit_code == LOCK_HELD:
        raise LockHeldError(f"DVC's lock is held by another process; {address} waits for it")
    if exit_code:
        raise StageFailedError(address, exit_code)
