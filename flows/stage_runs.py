"""Stages that run already when their Prefect task begins.

Prefect's server takes some seconds to start. ``ambivox run`` uses them: it asks DVC what is stale and starts the first
stale stage; its task then waits for that stage instead of starting it again, and logs what it has said so far.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ambivox.flows.pipeline import OnLog, Stage, announce, reproduce_stage

# Set when a signal ends this process: failures of stages are no longer reported or retried.
is_ending = threading.Event()


class StageRun:
    """A stage that runs in a thread of its own, with what it has logged."""

    def __init__(self, project: Path, address: str, force: bool) -> None:
        self.address = address
        self._log: list[tuple[str, str, dict[str, float]]] = []
        self._listener: OnLog | None = None
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, args=(project, force), name=address, daemon=True)
        self._thread.start()

    def _run(self, project: Path, force: bool) -> None:
        try:
            reproduce_stage(project, self.address, force, on_log=self._record)
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that waits)
            self._error = error

    def _record(self, level: str, message: str, figures: dict[str, float]) -> None:
        with self._lock:
            if self._listener is None:
                self._log.append((level, message, figures))
            else:
                self._listener(level, message, figures)

    def wait(self, on_log: OnLog) -> None:
        """Wait for the end of the stage; raises what ``reproduce_stage`` raises.

        Args:
            on_log: Called with everything that the stage logged so far, and with the rest while it runs.
        """
        with self._lock:
            for record in self._log:
                on_log(*record)
            self._listener = on_log
        self._thread.join()
        if self._error is not None:
            raise self._error


@dataclass
class PlannedRun:
    """What ``ambivox run`` knows and has started before its flow begins.

    Attributes:
        stages: The stages, as DVC described them.
        started: A stage that runs already, by address.
    """

    stages: tuple[Stage, ...]
    started: dict[str, StageRun] = field(default_factory=dict)

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """While the block runs, ``planned`` returns this plan."""
        _plans.append(self)
        try:
            yield
        finally:
            _plans.remove(self)


_plans: list[PlannedRun] = []


def planned() -> PlannedRun | None:
    """The plan of the run that this process executes, if ``ambivox run`` made one."""
    return _plans[-1] if _plans else None


def start_first(project: Path, stages: list[Stage], force: bool) -> dict[str, StageRun]:
    """Start the first stage that has to run, by address; none where nothing has to run."""
    for stage in stages:
        if stage.stale or force:
            announce(stage)
            return {stage.address: StageRun(project, stage.address, force)}
    return {}
