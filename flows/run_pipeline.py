"""Running the pipeline on one corpus for ``ambivox run``, and what it shows at the end: a short table and the report's path."""

from __future__ import annotations

import atexit
import logging
import os
import time
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ambivox.flows import prefect_settings, run_records
from ambivox.flows.pipeline import Stage, StageFailedError, stages
from ambivox.flows.prefect_server import PrefectServer, check_database
from ambivox.flows.stage_runs import PlannedRun, is_ending, start_first
from ambivox.models.counted import counted
from ambivox.models.json_documents import read_json_document
from ambivox.models.left_out import left_out_reason
from ambivox.models.logs import SHOWN_WARNINGS
from ambivox.models.processes.children import end_children
from ambivox.models.processes.interruption import ended_by
from ambivox.models.temporary_files import sweep, temporary_file
from ambivox.tasks._main import USER_MISTAKE

_METRICS: TypeAdapter[dict[str, dict[str, Any]]] = TypeAdapter(dict[str, dict[str, Any]])
_logger = logging.getLogger(__name__)


def run_pipeline(project: Path, key: str, force: bool, workers: int) -> None:
    """Run the flow ``reproduce`` on one corpus and print the outcome; exit with the failed stage's code if one failed.

    Raises:
        UserError: The Prefect server does not answer or does not start, or DVC cannot read the pipeline.
        OutageError: The Prefect server went away during the run.
    """
    started = time.monotonic()
    # Prefect reads its settings when it is imported.
    prefect_settings.apply_settings(project)
    all_stages = stages(project, (key,))
    if not force and not any(stage.stale for stage in all_stages):
        # A run without a stale stage is not worth starting a Prefect server, unless a killed one is to be closed.
        _close_ended_runs(project)
        _print_outcome(project, key, {"ran": 0, "up_to_date": len(all_stages)}, started)
        return
    counts = _run_flow(project, key, all_stages, _start_server(project), force, workers)
    _print_outcome(project, key, counts, started)


def _close_ended_runs(project: Path) -> None:
    """Close the flow runs of processes that were killed, and remove what these left."""
    sweep(_warnings_file(project).parent)
    if not run_records.have_ended(project):
        return
    server = _start_server(project)
    if server is not None:
        server.wait()
    run_records.close_ended_runs(project, os.environ["PREFECT_API_URL"])


def _warnings_file(project: Path) -> Path:
    return project.resolve() / ".ambivox" / "stage_logs" / "warnings"


def _start_server(project: Path) -> PrefectServer | None:
    """Start a Prefect server for this run; None where the user's own or that of ``ambivox ui`` is used.

    It ends with this process: Prefect sends its last log lines at the very end, in exit handlers that run before this one.
    """
    if "PREFECT_API_URL" in os.environ:
        return None
    if note := check_database(project):
        _logger.warning(note)
    server = PrefectServer.start(project)
    atexit.register(server.stop)
    os.environ["PREFECT_API_URL"] = server.url
    return server


def _run_flow(
    project: Path, key: str, all_stages: list[Stage], server: PrefectServer | None, force: bool, workers: int
) -> dict[str, int]:
    """Run the flow; a signal ends the stages, closes the flow run and ends the server, in this order."""
    warnings = temporary_file(_warnings_file(project))
    os.environ[SHOWN_WARNINGS] = str(warnings)
    atexit.register(warnings.unlink, missing_ok=True)

    def end() -> None:
        is_ending.set()
        end_children(grace_seconds=1.2, spared=[server.process.pid] if server else [])
        run_records.close_own_runs(project, os.environ["PREFECT_API_URL"], "interrupted by the user")
        end_children(grace_seconds=0.7)

    with ended_by(end):
        # The first stage starts now, not when the server answers.
        plan = PlannedRun(tuple(all_stages), start_first(project, all_stages, force))
        from ambivox.flows.reproduce import reproduce, thread_runner

        if server is not None:
            server.wait()
        run_records.close_ended_runs(project, os.environ["PREFECT_API_URL"])
        # Prefect's sender of logs would print each request that fails; an outage of the server is said once, below.
        logging.raiseExceptions = False
        flow = reproduce.with_options(task_runner=thread_runner(workers))
        try:
            with plan.used():
                counts: dict[str, int] = flow(project=str(project), corpora=(key,), force=force)
        except StageFailedError as failed:
            if failed.exit_code == USER_MISTAKE:
                _logger.error(f"{failed.address}: {failed.reason or 'failed with exit code 2'}")
            else:
                _logger.error(f"{failed}; the same command resumes")
            raise SystemExit(failed.exit_code if 0 < failed.exit_code < 256 else 1) from None
    return counts


def _print_outcome(project: Path, key: str, counts: dict[str, int], started: float) -> None:
    if logging.getLogger("ambivox").level > logging.INFO:
        return
    from rich.console import Console
    from rich.text import Text

    from ambivox.models.reporting.sources_table import sources_table

    console = Console()
    seconds = time.monotonic() - started
    done = f": {counted(counts['ran'], 'stage')} run, {counts['up_to_date']} up to date, {seconds:.0f} s"
    console.print(Text.assemble("\n", (key, "bold"), done))
    validation = project / "data" / key / "validation"
    metrics = validation / "metrics.json"
    rows = read_json_document(metrics, _METRICS, "the scores of validate") if metrics.is_file() else {}
    if reason := left_out_reason(validation):
        console.print(f"The distributions were not scored: {reason}", markup=False)
    if rows:
        is_held_out = not any(row.get("made_from_the_target") for row in rows.values())
        target = "the held-out human votes" if is_held_out else "all human votes (none were held out)"
        console.print(sources_table(rows, f"{key}: distance to {target}, test speakers"))
        if not is_held_out:
            console.print(
                "Distributions that are made from these votes are not scored: --set ingest.keep_votes=K holds out all but K "
                "votes per utterance",
                markup=False,
            )
    report = (project / "data" / key / "report.html").resolve()
    console.print(f"Report: {report}", soft_wrap=True, highlight=False, markup=False)
    console.print("Runs:   ambivox ui")
