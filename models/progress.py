"""Progress on standard error: bars on a terminal, and elsewhere, such as in a log file, a line now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")

_logger = logging.getLogger(__name__)
# Where there is no terminal: seconds until the first line, and between two lines.
_FIRST_LINE_SECONDS, _LINE_SECONDS = 10.0, 30.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")


class _Lines(Progress):
    """Progress as lines of the log."""

    def __init__(self) -> None:
        super().__init__(disable=True)
        self._next_line = time.monotonic() + _FIRST_LINE_SECONDS

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._log(task_id)

    def update(self, task_id: TaskID, **values: Any) -> None:
        super().update(task_id, **values)
        self._log(task_id)

    def _log(self, task_id: TaskID) -> None:
        if time.monotonic() < self._next_line:
            return
        self._next_line = time.monotonic() + _LINE_SECONDS
        task = self._tasks[task_id]
        of_total = "" if task.total is None else f" of {task.total:.0f}"
        note = f" ({task.fields['note']})" if task.fields.get("note") else ""
        _logger.info(f"{task.description}: {task.completed:.0f}{of_total}{note}")


def bar() -> Progress:
    """Make a progress display: bars on a terminal; where standard error is none, a line of the log now and then.

    Returns:
        A display to use as a context manager; each task needs a field ``note``, shown at the end of its line.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        return _Lines()
    return Progress(
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
        console=console,
    )


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items`` and show how many have been yielded.

    Args:
        items: The items.
        description: The text beside the bar.
        total: How many items there are; by default their length, where they have one.

    Yields:
        The items, in order.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with bar() as progress:
        task = progress.add_task(description, total=total, note="")
        for item in items:
            yield item
            progress.advance(task)
