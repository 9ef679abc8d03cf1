"""Cases through the command as a user starts it, to be compared with forked ones."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.mistakes.command_lines import WrongLine
from tests.mistakes.forked import Ending, differences, entries
from tests.support.scratch_project import COMMAND, environment

LIMIT_SECONDS = 100.0


def run_real(case: WrongLine, place: Path) -> Ending:
    """Run a case in a process of its own, with the words as a shell would give them.

    Args:
        case: The case.
        place: A folder with the folders of ``make_place``.

    Returns:
        How it ended; with a negative code where it was ended, after ``LIMIT_SECONDS``.
    """
    before = entries(place)
    home = place / "home"
    started = time.monotonic()
    process = subprocess.Popen(
        [str(COMMAND), *case.words],
        cwd=place / "project",
        env=environment(HOME=str(home), TMPDIR=str(place / "tmp"), XDG_CACHE_HOME=str(home / ".cache")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        shown, said = process.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        shown, said = process.communicate()
    seconds = time.monotonic() - started
    return Ending(
        process.returncode,
        said.decode("utf-8", "replace"),
        shown.decode("utf-8", "replace"),
        seconds,
        seconds,
        differences(before, entries(place)),
    )
