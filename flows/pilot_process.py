"""One annotator's pilot in a process of its own: ``python -m ambivox.flows.pilot_process REQUEST.json``.

A separate process, because a candidate may hang, run out of memory or crash the interpreter; the calling
process stops it after a time limit and records the failure.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambivox.models.annotator_registry.candidate import Candidate, SourceError
from ambivox.models.annotator_registry.watch import fetch_candidate
from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.processes.children import end_with_this_process

if TYPE_CHECKING:
    from ambivox.tasks.annotate import AnnotateOptions

_GRACE_SECONDS = 10
_MAX_REASON_CHARACTERS = 400


@dataclass(frozen=True)
class PilotRequest:
    """What to try, on what, and where to write the result.

    Attributes:
        candidate: The ALM.
        utterances: The table of the pilot's utterances.
        out: Folder for the tables of ``annotate``; log and request lie beside it.
        store: The vote store.
        cache: Where downloaded ALMs are kept.
        engine: As for ``ambivox annotate``; a hosted ALM has its own.
        orders: Balanced option orders.
        max_cost: US dollars that the pilot of a hosted ALM may cost.
        known_revisions: Revisions that were decided on before; such an ALM is downloaded but not asked.
    """

    candidate: Candidate
    utterances: str
    out: str
    store: str
    cache: str
    engine: str
    orders: int
    max_cost: float | None = None
    known_revisions: tuple[str, ...] = ()

    @property
    def revision_file(self) -> Path:
        """Where the process writes the revision of the ALM that it loaded."""
        return Path(self.out).with_suffix(".revision.json")


class PilotFailedError(RuntimeError):
    """A candidate could not be tried: it did not load, crashed, or took too long."""


def run_pilot(request: PilotRequest, timeout_seconds: float, project: Path) -> str:
    """Try an ALM in a separate process and wait for it.

    Args:
        request: What to try.
        timeout_seconds: The time limit, downloading included.
        project: The working directory of the process.

    Returns:
        The ALM's revision. Where it is one of ``known_revisions``, nothing was annotated.

    Raises:
        PilotFailedError: The process failed or exceeded the time limit; it and its children have ended.
    """
    end_with_this_process()
    out = Path(request.out)
    request_file = write_json(out.with_suffix(".request.json"), asdict(request))
    log = out.with_suffix(".log")
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "ambivox.flows.pilot_process", str(request_file.resolve())],
            cwd=project,
            stdout=log_file,
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
    return str(json.loads(request.revision_file.read_text(encoding="utf-8")))


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group: with SIGTERM, and with SIGKILL what is left of it."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
            process.wait(_GRACE_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _last_line(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (
        lines[-1].removeprefix("ambivox: ")[:_MAX_REASON_CHARACTERS] if lines else "it ended without output"
    )


def main(arguments: list[str]) -> int:
    """Fetch the candidate, note its revision, and have it annotate the pilot unless that revision is known."""
    from ambivox.models.alms import resolve
    from ambivox.tasks.annotate import annotate

    values = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    request = PilotRequest(**(values | {"candidate": Candidate(**values["candidate"])}))
    try:
        if request.candidate.is_hosted:
            write_json(request.revision_file, _ask_hosted(request))
            return 0
        folder = fetch_candidate(request.candidate, Path(request.cache))
        revision = resolve(str(folder)).revision
        write_json(request.revision_file, revision)
        if revision in request.known_revisions:
            return 0
        annotate(
            utterances=Path(request.utterances),
            alm=str(folder),
            out=Path(request.out),
            options=_options(request, engine=request.engine),
        )
    except (UserError, SourceError) as error:
        print(f"ambivox: {error}", file=sys.stderr)
        return 2
    return 0


def _ask_hosted(request: PilotRequest) -> str:
    """Have a hosted ALM annotate the pilot; returns the model that its answers name."""
    from ambivox.models.annotation.checks_file import read_checks
    from ambivox.tasks.annotate import annotate

    candidate, out = request.candidate, Path(request.out)
    options = _options(
        request,
        server=candidate.server,
        prices=tuple(candidate.prices),
        allow_hosted=True,  # the flow has checked that the corpus is marked so
        max_cost=request.max_cost,
    )
    annotate(utterances=Path(request.utterances), alm=candidate.location, out=out, options=options)
    answered_by = read_checks(out / "checks.json")["hosted"]["answered_by"]
    return str(answered_by[0]) if answered_by and answered_by[0] else candidate.version


def _options(request: PilotRequest, **others: Any) -> AnnotateOptions:
    from ambivox.tasks.annotate import AnnotateOptions

    return AnnotateOptions(store=request.store, orders=request.orders, **others)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
