"""One trial: a command is killed at random moments until it is let through; then everything must be as if it had not been."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import psutil
from polars.testing import assert_frame_equal

from tests.crashes.nursery import Nursery

_AFTER_MOMENT_SECONDS = 8.0
_AFTER_FILE_SECONDS = 2.0


@dataclass(frozen=True)
class Scenario:
    """A command and what is looked at.

    Attributes:
        name: The name.
        prepare: Fills an empty folder with the inputs.
        words: The command's words.
        outputs: Files and folders below the folder; each is complete or absent at all times.
        stores: Vote stores below the folder.
        environment: Variables of the command.
        facts: Further things that are equal after all runs, such as git's tags.
        is_repeatable: Whether the command succeeds again once it has succeeded.
        moments: Lines of the log, or "file:" and a path below the folder that is present then; kill by kill, the next
            of them is waited for, and the kill falls within some seconds of it. Without any, it may fall at any time of
            the run; so it does at an empty moment.
        prepare_moment: Is called before a run that is killed at a moment, and returns how that is undone afterwards.
        call: "module:function" to call in place of a command; its arguments are ``words``.
        longest_seconds: How long one moment is waited for.
        tolerance: How much log-probabilities may differ, where an engine computes them in other batches; figures and
            summaries of them are then compared by their names only.
    """

    name: str
    prepare: Callable[[Path], None]
    words: tuple[str, ...]
    outputs: tuple[str, ...]
    stores: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    facts: Callable[[Path], object] = lambda _folder: None
    is_repeatable: bool = True
    moments: tuple[str, ...] = ()
    prepare_moment: Callable[[Path, str], Callable[[], object]] = lambda _folder, _moment: lambda: None
    call: str = ""
    longest_seconds: float = 900.0
    tolerance: float = 0.0


@dataclass(frozen=True, eq=False)
class Answers:
    """A table that equals another one whose numbers differ by less than the tolerance."""

    frame: pl.DataFrame
    tolerance: float

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Answers):
            return False
        tolerance = max(self.tolerance, other.tolerance)
        if not tolerance:
            return self.frame.equals(other.frame)
        try:
            assert_frame_equal(self.frame, other.frame, abs_tol=tolerance, rel_tol=tolerance)
        except AssertionError:
            return False
        return True


Content = str | Answers


@dataclass
class Uninterrupted:
    """What a run without a kill leaves, and how long it takes."""

    outputs: dict[str, dict[str, Content]]
    votes: dict[str, pl.DataFrame]
    facts: object
    seconds: float


def uninterrupted(scenario: Scenario, nursery: Nursery, folder: Path) -> Uninterrupted:
    """Run a command in a fresh folder."""
    scenario.prepare(folder)
    started = time.monotonic()
    _start(scenario, nursery, folder)
    code = nursery.wait()
    seconds = time.monotonic() - started
    assert code == 0, f"{scenario.name}: exit code {code}: {_log(folder)[-1500:]}"
    return Uninterrupted(
        {name: digests(folder / name, scenario.tolerance) for name in scenario.outputs},
        {name: stored_votes(folder / name) for name in scenario.stores},
        scenario.facts(folder),
        seconds,
    )


def killed_and_resumed(
    scenario: Scenario,
    expected: Uninterrupted,
    nursery: Nursery,
    folder: Path,
    kills: int,
    rng: random.Random,
) -> Iterator[None]:
    """Kill a command some times in one folder, let it through, and check what it leaves.

    Yields:
        Nothing, after each kill that fell into a running command; a command that ended before its kill is none.

    Raises:
        AssertionError: Something is not as after a run without a kill.
    """
    scenario.prepare(folder)
    before = {name: digests(folder / name, scenario.tolerance) for name in scenario.outputs}
    code, run_seconds = -1, expected.seconds
    for number in range(kills):
        log_length = len(_log(folder))
        moment = scenario.moments[number % len(scenario.moments)] if scenario.moments else ""
        undo = scenario.prepare_moment(folder, moment)
        started = time.monotonic()
        process = _start(scenario, nursery, folder)
        has_come = not moment or _wait_for(moment, process, folder, log_length, scenario.longest_seconds)
        longest = _AFTER_FILE_SECONDS if moment.startswith("file:") else _AFTER_MOMENT_SECONDS
        ended = _wait_for_end(process, rng.uniform(0.0, longest if moment else run_seconds))
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.kill(process, signal.SIGKILL)
        code = nursery.wait()
        assert has_come, f"{scenario.name}: no {moment!r}: {_log(folder)[-1500:]}"
        if code == -signal.SIGKILL:
            yield
        elif not moment:  # what is stored makes the next run as short
            run_seconds = min(run_seconds, ended - started)
        assert code in (-signal.SIGKILL, 0), f"{scenario.name}: exit code {code}: {_log(folder)[-1500:]}"
        _check_no_process_runs(scenario, folder)
        undo()
        for name, complete in expected.outputs.items():
            present = digests(folder / name, scenario.tolerance)
            assert present in ({}, complete, before[name]), (
                f"{scenario.name}: {name} is a part: {_difference(present, complete)}"
            )
        if code == 0 and not scenario.is_repeatable:
            break
    if code != 0 or scenario.is_repeatable:
        _start(scenario, nursery, folder)
        code = nursery.wait()
    assert code == 0, f"{scenario.name}: exit code {code} after its kills: {_log(folder)[-1500:]}"
    for name, complete in expected.outputs.items():
        present = digests(folder / name, scenario.tolerance)
        assert present == complete, f"{scenario.name}: {name} differs: {_difference(present, complete)}"
    for name, votes in expected.votes.items():
        assert Answers(stored_votes(folder / name), scenario.tolerance) == Answers(votes, 0.0), (
            f"{scenario.name}: {name}: votes were lost or doubled"
        )
    assert scenario.facts(folder) == expected.facts, scenario.name
    temporary = [
        str(path.relative_to(folder)) for path in folder.rglob(".*") if path.suffix in (".tmp", ".old")
    ]
    assert not temporary, f"{scenario.name}: temporary entries were left: {temporary[:5]}"


def digests(path: Path, tolerance: float = 0.0) -> dict[str, Content]:
    """The hash of every file of an output; empty where there is none. See ``Scenario`` for the tolerance."""
    files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if file.is_file()]
    return {str(file.relative_to(path)): _content(file, tolerance) for file in files}


def _content(file: Path, tolerance: float) -> Content:
    if not tolerance:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return Answers(pl.read_parquet(file), tolerance) if file.suffix == ".parquet" else ""


def stored_votes(store: Path) -> pl.DataFrame:
    """All rows of a vote store, in a fixed order; a vote that is in it twice is there twice."""
    shards = [pl.read_parquet(path) for path in sorted(store.rglob("[!.]*.parquet"))]
    rows = pl.concat(shards)
    return rows.sort(rows.columns[:1])


def _start(scenario: Scenario, nursery: Nursery, folder: Path) -> int:
    return nursery.start(scenario.words, folder, scenario.call, **_environment(scenario, folder))


def _wait_for(moment: str, process: int, folder: Path, log_length: int, longest_seconds: float) -> bool:
    """Wait until a file is there, or a line in the part of the log that a process has written, or it has ended.

    Returns:
        False where none of these was to be seen in time.
    """
    limit = time.monotonic() + longest_seconds
    awaited = folder / moment.removeprefix("file:") if moment.startswith("file:") else None
    while psutil.pid_exists(process):
        if awaited.exists() if awaited else moment in _log(folder)[log_length:]:
            return True
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def _wait_for_end(process: int, seconds: float) -> float:
    """Wait until a process has ended, or for some seconds; the time when that was."""
    limit = time.monotonic() + seconds
    while psutil.pid_exists(process) and time.monotonic() < limit:
        time.sleep(0.005)
    return time.monotonic()


def _environment(scenario: Scenario, folder: Path) -> dict[str, str]:
    (folder / "tmp").mkdir(exist_ok=True)
    return {"AMBIVOX_CACHE": str(folder / ".cache"), "TMPDIR": str(folder / "tmp"), **scenario.environment}


def _check_no_process_runs(scenario: Scenario, folder: Path) -> None:
    """What a killed command started ends within seconds."""
    limit = time.monotonic() + 6
    while left := _processes_in(folder):
        assert time.monotonic() < limit, f"{scenario.name}: still running: {left}"
        time.sleep(0.02)


def _processes_in(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def _difference(present: dict[str, Content], complete: dict[str, Content]) -> str:
    names = {name for name in present.keys() | complete.keys() if present.get(name) != complete.get(name)}
    return ", ".join(sorted(names)[:5])


def _log(folder: Path) -> str:
    path = folder / "log.txt"
    return path.read_text(errors="replace") if path.is_file() else ""


def remove(folder: Path) -> None:
    """Remove a folder of a trial."""
    shutil.rmtree(folder, ignore_errors=True)
