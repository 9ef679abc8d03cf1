"""Running the pipeline on one corpus for ``ambivox run``, and what it shows at the end: a short table and the report's path."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ambivox.flows import prefect_settings
from ambivox.flows.pipeline import StageFailedError, stages
from ambivox.models.tables import SOURCES


def run_pipeline(project: Path, key: str, force: bool, workers: int) -> None:
    """Run the flow ``reproduce`` on one corpus and print the outcome; exit with the failed stage's code if one failed."""
    console = Console()
    started = time.monotonic()
    looked = stages(project, (key,))
    if not force and not any(stage.stale for stage in looked):
        # Nothing to run is nothing to show in the UI: no server is started for it.
        _print_outcome(console, project, key, {"ran": 0, "up_to_date": len(looked)}, started)
        return
    # Prefect reads its settings when it is imported.
    prefect_settings.apply_settings(project)
    from ambivox.flows.reproduce import reproduce, thread_runner

    flow = reproduce.with_options(task_runner=thread_runner(workers))
    try:
        counted = flow(project=str(project), corpora=(key,), force=force)
    except StageFailedError as failed:
        print(
            f"ambivox: {failed}; the same command resumes",
            file=sys.stderr,
        )
        raise SystemExit(failed.exit_code if 0 < failed.exit_code < 256 else 1) from None
    _print_outcome(console, project, key, counted, started)


def _print_outcome(
    console: Console, project: Path, key: str, counted: dict[str, int], started: float
) -> None:
    seconds = time.monotonic() - started
    console.print(
        f"\n[bold]{key}[/]: {counted['ran']} stages run, {counted['up_to_date']} up to date, {seconds:.0f} s"
    )
    metrics = project / "data" / key / "validation" / "metrics.json"
    if metrics.is_file():
        console.print(table(json.loads(metrics.read_text(encoding="utf-8")), key))
    report = (project / "data" / key / "report.html").resolve()
    console.print(f"Report: {report}", soft_wrap=True, highlight=False)
    console.print("Runs:   ambivox ui")


def table(metrics: dict[str, Any], key: str) -> Table:
    """JS, BC and accuracy of each source beside the human ceiling, with 95 % intervals."""
    shown = Table(title=f"{key}: distance to the held-out human votes, test speakers", title_justify="left")
    for column in ("source", "JS (base 2) ↓", "95 %", "BC ↑", "accuracy ↑"):
        shown.add_column(column, justify="left" if column == "source" else "right")
    for name in (*SOURCES, "prior", "ceiling"):
        row = metrics.get(name)
        if not isinstance(row, dict):
            continue
        interval = f"{row['js_low']:.3f}-{row['js_high']:.3f}" if "js_low" in row else ""
        style = "bold green" if name == "pooled" else ("dim" if name in ("prior", "ceiling") else "")
        label = {"ceiling": "human ceiling", "prior": "corpus prior"}.get(name, name)
        shown.add_row(
            label, f"{row['js']:.3f}", interval, f"{row['bc']:.3f}", f"{row['accuracy']:.3f}", style=style
        )
    return shown
