"""Running cases one after another in a place that is made what it was before each, and how each ended."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclopts import App

from tests.mistakes.command_lines import WrongLine
from tests.mistakes.forked import Ending, differences, entries, restore, run_forked
from tests.mistakes.real_command import run_real
from tests.mistakes.texts import WRONG_FILES
from tests.mistakes.worker import Worker

SHOWN_CHARACTERS = 400
LONGEST_LINE = 700
FINE = ("one line", "accepted", "begun")
# What a run shows when its first stage starts; it takes longer than the cases may.
_STAGE_BEGINS = "── "


class Record:
    """Endings in a file, one JSON object per line; nowhere where there is no file.

    Attributes:
        done: The texts of the cases that are in it.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file, where there is one."""
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
        self.done = {json.loads(line)["case"] for line in lines}

    def add(self, case: str, outcome: str, ending: Ending) -> None:
        """Note an ending."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as stream:
                noted: dict[str, Any] = {
                    "case": case,
                    "outcome": outcome,
                    "said": ending.said,
                    "shown": ending.shown[-SHOWN_CHARACTERS:],
                }
                noted |= {
                    "changed": ending.changed[:20],
                    "cpu_seconds": ending.cpu_seconds,
                    "seconds": ending.seconds,
                }
                stream.write(json.dumps(noted) + "\n")


def text(kind: str, case: WrongLine) -> str:
    """A case as it is printed and recorded."""
    return f"{kind}: {case.mistake}: ambivox {' '.join(map(ascii, case.words))}"


def outcome(ending: Ending) -> str:
    """How a case ended, in words."""
    # doctor ends with 1 where something is missing, and shows what.
    if ending.code == 0 or (ending.code == 1 and ending.shown and not ending.said):
        return "accepted"
    if ending.code < 0:
        return "begun" if _STAGE_BEGINS in ending.shown else "no end"
    if ending.is_one_line:
        if len(ending.said) > LONGEST_LINE:
            return "a long line"
        return "changed files" if ending.changed else "one line"
    return f"exit code {ending.code}, {len(ending.said.splitlines())} lines"


@dataclass
class Runner:
    """Runs cases.

    Attributes:
        kind: What the cases are, for what is printed.
        application: The command line.
        place: Where they run.
        original: What the place is at the beginning of each; None for one that stays empty.
        record: Where their endings are noted.
        limit_seconds: How long a case may take.
        worker: Runs cases, where it is given; those that end wrongly then are run again in a process of their own.
    """

    kind: str
    application: App
    place: Path
    original: Path | None
    record: Record
    limit_seconds: float
    worker: Worker | None = None
    _is_ready: bool = field(default=False, init=False)

    def run(self, cases: Sequence[WrongLine], deadline: float) -> int:
        """Run cases, print those that ended wrongly and how many ended how, and return the number of faults.

        Args:
            cases: The cases.
            deadline: The time, as ``time.monotonic`` gives it, after which none is begun.
        """
        endings: Counter[str] = Counter()
        for case in cases:
            if time.monotonic() > deadline:
                break
            ending = self._run_one(case, is_real=False)
            if self.worker is not None and outcome(ending) not in FINE:
                worker, self.worker = self.worker, None
                ending = self._run_one(case, is_real=False)
                self.worker = worker
            name = outcome(ending)
            endings[name] += 1
            self.record.add(text(self.kind, case), name, ending)
            if name not in FINE:
                print(f"{name}: {text(self.kind, case)}")
                print(f"    {ending.said[-SHOWN_CHARACTERS:].strip()!r} {ending.changed[:3]}", flush=True)
        counts = ", ".join(f"{count} {name}" for name, count in endings.most_common())
        print(f"{self.kind}: {endings.total()} cases: {counts}", flush=True)
        return endings.total() - sum(endings[name] for name in FINE)

    def compare(self, cases: Sequence[WrongLine]) -> int:
        """Run cases both ways, print those that end differently, and return their number."""
        different = 0
        for case in cases:
            forked, real = self._run_one(case, is_real=False), self._run_one(case, is_real=True)
            have_ended = forked.code >= 0 or real.code >= 0
            if have_ended and (forked.code, forked.said) != (real.code, real.said):
                different += 1
                print(f"differs: {text(self.kind, case)}\n    forked: {forked.code} {forked.said!r}")
                print(f"    real: {real.code} {real.said!r}", flush=True)
        if cases:
            print(f"{self.kind}: {len(cases)} cases as a user starts them: {different} differ", flush=True)
        return different

    def _run_one(self, case: WrongLine, *, is_real: bool) -> Ending:
        if self.original is not None and not self._is_ready:
            restore(self.place, self.original)
        self._is_ready = True
        wrong = [str(case.make(self.place))] if case.make is not None else []
        if is_real:
            ending = run_real(case, self.place)
        elif self.worker is not None and case.option != "--project":
            ending = self._run_warm(case)
        else:
            ending = run_forked(self.application, case.words, self.place, limit_seconds=self.limit_seconds)
        if self.original is not None:
            kept = [name for name in ending.changed if not Path(name).is_relative_to(WRONG_FILES)]
            restore(self.place, self.original, [*kept, *wrong])
        return ending

    def _run_warm(self, case: WrongLine) -> Ending:
        assert self.worker is not None
        before = entries(self.place)
        said, shown = self.place.parent / "warm.stderr", self.place.parent / "warm.stdout"
        started = time.monotonic()
        code = self.worker.run(case.words, said, shown)
        seconds = time.monotonic() - started
        return Ending(
            code,
            said.read_text(encoding="utf-8", errors="replace"),
            shown.read_text(encoding="utf-8", errors="replace"),
            seconds,
            seconds,
            differences(before, entries(self.place)),
        )
