"""A command whose project is removed or moved while it runs ends within seconds, with one line.

Without its folder, neither DVC nor Prefect can say what is wrong: each fails in its own way, some after minutes of retries.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from ambivox.models.processes.interruption import end_stuck_command
from ambivox.tasks._main import USER_MISTAKE

_LOOK_SECONDS = 0.3


@contextlib.contextmanager
def ends_without(project: Path) -> Iterator[None]:
    """While the block runs, end the command, and all that it started, once the project is no longer in its place.

    Args:
        project: The folder that holds dvc.yaml.
    """
    place = project.resolve()
    folder = place.stat()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_LOOK_SECONDS):
            if not _is_there(place, folder):
                end_stuck_command(
                    f"{place}: the project was removed or moved during the run, which has ended; put it back and run the "
                    "same command again",
                    USER_MISTAKE,
                )
                return

    threading.Thread(target=watch, name="project", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def _is_there(place: Path, folder: os.stat_result) -> bool:
    """Whether the project is in its place; a file system that does not answer for a while says nothing.

    A process that was writing there makes folders again where they were removed, but not the project.
    """
    try:
        now = place.stat()
        (place / ".dvc").stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return os.path.samestat(now, folder)
