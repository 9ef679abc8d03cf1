"""One annotator's pilot in a process of its own: ``python -m ambivox.flows.pilot_process REQUEST.json``.

A process, because a candidate may hang, run out of memory or take the interpreter down with it; whoever
started this one stops it after a while and records that.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from ambivox.models.annotator_registry.watch import Candidate, SourceError, fetch
from ambivox.models.errors import UserError
from ambivox.models.files import write_json

_GRACE_SECONDS = 10


@dataclass(frozen=True)
class Pilot:
    """What to try, on what, and where to put it. ``engine`` is as for ``ambivox annotate``."""

    candidate: Candidate
    utterances: str
    out: str
    store: str
    cache: str
    engine: str
    orders: int


class PilotFailedError(RuntimeError):
    """A candidate could not be tried: it did not load, crashed, or took too long."""


def run(pilot: Pilot, timeout_seconds: float, project: Path) -> None:
    """Try ``pilot`` in a process of its own and wait for it.

    Raises:
        PilotFailedError: it failed or took longer than ``timeout_seconds``; the process and its children are gone.
    """
    out = Path(pilot.out)
    request = write_json(out.with_suffix(".request.json"), asdict(pilot))
    log = out.with_suffix(".log")
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "ambivox.flows.pilot_process", str(request.resolve())],
            cwd=project,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            exit_code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise PilotFailedError(f"not done after {timeout_seconds:g} s; stopped") from None
        finally:
            _stop(process)
    if exit_code:
        raise PilotFailedError(f"{_last_line(log)} (exit code {exit_code})")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and all it started: politely, then not."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
            process.wait(_GRACE_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _last_line(log: Path) -> str:
    lines = [
        line.strip()
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    ]
    return lines[-1].removeprefix("ambivox: ")[:400] if lines else "it ended without a word"


def main(arguments: list[str]) -> int:
    """Fetch the candidate and have it annotate the pilot."""
    from ambivox.tasks.annotate import AnnotateOptions, annotate

    asked = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    pilot = Pilot(**(asked | {"candidate": Candidate(**asked["candidate"])}))
    try:
        folder = fetch(pilot.candidate, Path(pilot.cache))
        annotate(
            utterances=Path(pilot.utterances),
            alm=str(folder),
            out=Path(pilot.out),
            options=AnnotateOptions(store=pilot.store, engine=pilot.engine, orders=pilot.orders),  # type: ignore[arg-type]
        )
    except (UserError, SourceError) as error:
        print(f"ambivox: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
