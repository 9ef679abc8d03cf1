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

    shown = Table(show_header=True, header_style="bold")
    for column in ("", "what", "found", "needed for, and how to get it"):
        shown.add_column(column, overflow="fold")
    found = findings(project)
    marks = {"ok": "[green]✓[/]", "optional": "[yellow]–[/]", "missing": "[red]✗[/]"}
    for one in found:
        shown.add_row(marks[one.state], one.what, escape(one.found), escape(one.advice))
    Console().print(shown)
    if any(one.state == "missing" for one in found):
        raise SystemExit(1)
