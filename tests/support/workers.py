"""How `make test` spreads the tests over processes: which share a process, and which come first.

A file of tests stays in one process, and so does what shares a set-up that costs much time or memory. Long files come
first, so that no process works alone at the end.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

# The beginnings of the names of files that share a process: an engine takes gigabytes.
TOGETHER = ("tests/models/engines/",)
# The beginnings of the names of files that take half a minute or more on two cores, the longest first.
LONG = (
    "tests/models/engines/",
    "tests/flows/test_reannotate.py",
    "tests/flows/test_interrupted_run.py",
    "tests/models/embedded_alm/test_whisper_alm.py",
    "tests/flows/test_surroundings.py",
    "tests/flows/test_deployments.py",
    "tests/flows/test_small_table.py",
    "tests/flows/test_reproduce.py",
    "tests/models/exchange/",
    "tests/flows/test_documented_commands.py",
    "tests/tasks/",
    "tests/flows/",
    "tests/models/finetuning/",
)


class WorkScheduling(LoadScopeScheduling):
    """Gives whole files of tests to processes."""

    def _split_scope(self, nodeid: str) -> str:
        return next((name for name in TOGETHER if nodeid.startswith(name)), nodeid.partition("::")[0])


def sort_long_first(items: list[pytest.Item]) -> None:
    """Sort tests in place: those of ``LONG`` first, in its order, the others after them as they are."""
    items.sort(
        key=lambda item: next(
            (rank for rank, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG)
        )
    )
