"""``ambivox doctor``: what this machine has, and what is missing for what."""

from __future__ import annotations

from pathlib import Path


def doctor(*, project: Path = Path()) -> None:
    """Say what this machine has (Python, torch, GPU, vLLM, Prefect server, DVC remote, disk) and what is missing for what.

    Args:
        project: The folder that holds dvc.yaml.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ambivox.flows.diagnostics import findings

    table = Table(show_header=True, header_style="bold")
    for column in ("", "what", "found", "needed for, and how to get it"):
        table.add_column(column, overflow="fold")
    results = findings(project)
    marks = {"ok": "[green]✓[/]", "optional": "[yellow]–[/]", "missing": "[red]✗[/]"}
    for finding in results:
        table.add_row(marks[finding.state], finding.what, escape(finding.found), escape(finding.advice))
    Console().print(table)
    if any(finding.state == "missing" for finding in results):
        raise SystemExit(1)
