"""Running the pipeline on one corpus for ``ambivox run``, and what it shows at the end: a short table and the report's path."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from rich.console import Console

from ambivox.flows import prefect_settings
from ambivox.flows.pipeline import StageFailedError, stages
from ambivox.models.reporting.sources_table import sources_table


def run_pipeline(project: Path, key: str, force: bool, workers: int) -> None:
    """Run the flow ``reproduce`` on one corpus and print the outcome; exit with the failed stage's code if one failed."""
    console = Console()
    started = time.monotonic()
    all_stages = stages(project, (key,))
    if not force and not any(stage.stale for stage in all_stages):
        # A run without a stale stage is not worth starting a Prefect server.
        _print_outcome(console, project, key, {"ran": 0, "up_to_date": len(all_stages)}, started)
        return
    # Prefect reads its settings when it is imported.
    prefect_settings.apply_settings(project)
    from ambivox.flows.reproduce import reproduce, thread_runner

    flow = reproduce.with_options(task_runner=thread_runner(workers))
    try:
        counts = flow(project=str(project), corpora=(key,), force=force)
    except StageFailedError as failed:
        logging.getLogger(__name__).error(f"{failed}; the same command resumes")
        raise SystemExit(failed.exit_code if 0 < failed.exit_code < 256 else 1) from None
    _print_outcome(console, project, key, counts, started)


def _print_outcome(console: Console, project: Path, key: str, counts: dict[str, int], started: float) -> None:
    seconds = time.monotonic() - started
    console.print(
        f"\n[bold]{key}[/]: {counts['ran']} stages run, {counts['up_to_date']} up to date, {seconds:.0f} s"
    )
    metrics = project / "data" / key / "validation" / "metrics.json"
    if metrics.is_file():
        rows = json.loads(metrics.read_text(encoding="utf-8"))
        is_held_out = not any(row.get("made_from_the_target") for row in rows.values())
        target = "the held-out human votes" if is_held_out else "all human votes (none were held out)"
        console.print(sources_table(rows, f"{key}: distance to {target}, test speakers"))
    report = (project / "data" / key / "report.html").resolve()
    console.print(f"Report: {report}", soft_wrap=True, highlight=False)
    console.print("Runs:   ambivox ui")
