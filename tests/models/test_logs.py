"""What the steps of a run show: a warning once per run, and everything else each time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ambivox.models.logs import LOG_FILE, SHOWN_WARNINGS

STEP = """
import logging, sys
from ambivox.models.logs import show_log
show_log()
logger = logging.getLogger("ambivox")
for message in sys.argv[1:]:
    logger.warning(message)
    logger.info("begins")
"""


def step(*messages: str) -> tuple[list[str], list[str]]:
    """What a process of its own shows: warnings, and information."""
    done = subprocess.run([sys.executable, "-c", STEP, *messages], capture_output=True, text=True, check=True)
    return done.stderr.splitlines(), done.stdout.splitlines()


def test_a_warning_of_several_steps_is_shown_once_per_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv(LOG_FILE, str(log))
    monkeypatch.setenv(SHOWN_WARNINGS, str(tmp_path / "shown"))
    assert step("no font", "no font", "no\nfont") == (
        ["ambivox: warning: no font", "ambivox: warning: no", "font"],
        ["begins"] * 3,
    )
    assert step("no font", "few speakers") == (["ambivox: warning: few speakers"], ["begins"] * 2)
    # Who follows the log, such as Prefect, gets all of them.
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [record["message"] for record in records if record["level"] == "WARNING"].count("no font") == 3


@pytest.mark.parametrize("place", ["", "nowhere/shown"])
def test_without_a_run_every_warning_is_shown(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOG_FILE, str(tmp_path / "log"))
    monkeypatch.setenv(SHOWN_WARNINGS, str(tmp_path / place) if place else "")
    assert step("no font", "no font")[0] == ["ambivox: warning: no font"] * 2


def test_a_message_is_no_command_for_the_terminal() -> None:
    warnings, shown = step("\x1b[31mred\x07 \x9b2J \u202eback\t\u0645\u06cc\u200c\u062e \x00"[:-1])
    assert warnings == ["ambivox: warning:  [31mred   2J  back\t\u0645\u06cc\u200c\u062e "]
    assert shown == ["begins"]
