"""Cases through the command as a user starts it, to be compared with forked ones."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.mistakes.command_lines import WrongLine
from tests.mistakes.forked import Ending, differences, entries
from tests.support.scratch_project import COMMAND, environment

LIMIT_SECONDS = 300.0


def run_real(case: WrongLine, place: Path) -> Ending:
    """Run a case in a process of its own, with the words as a shell would give them.

    Args:
        case: The case.
        place: A folder with the folders of ``make_place``.
    """
    before = entries(place)
    home = place / "home"
    started = time.monotonic()
    done = subprocess.run(
        [str(COMMAND), *case.words],
        cwd=place / "project",
        env=environment(HOME=str(home), TMPDIR=str(place / "tmp"), XDG_CACHE_HOME=str(home / ".cache")),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    seconds = time.monotonic() - started
    return Ending(
        done.returncode,
        done.stderr.decode("utf-8", "replace"),
        done.stdout.decode("utf-8", "replace"),
        seconds,
        seconds,
        differences(before, entries(place)),
    )
