"""A project that is removed or moved while a command runs: one line and exit code 2, within seconds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.scratch_project import COMMAND, environment

RUN = """
import subprocess, sys, time
from pathlib import Path
from ambivox.flows.project_watch import ends_without
from ambivox.models.processes.interruption import interruptible
with interruptible(), ends_without(Path()):
    child = subprocess.Popen(["sleep", "60"])
    print("begun", flush=True)
    time.sleep(60)
"""
PROJECT = "the project was removed or moved during the run"


def _remove_and_make_again(project: Path) -> None:
    shutil.rmtree(project)
    (project / ".ambivox").mkdir(parents=True)


@pytest.mark.parametrize(
    "remove",
    [
        shutil.rmtree,
        lambda project: project.rename(project.with_name("moved")),
        lambda project: shutil.rmtree(project / ".dvc"),
        _remove_and_make_again,
    ],
    ids=["removed", "moved", "half removed", "removed, and written to again"],
)
def test_a_run_ends_with_one_line(tmp_path: Path, remove: Callable[[Path], object]) -> None:
    project = tmp_path / "project"
    (project / ".dvc").mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=project, env=environment(), stdout=-1, stderr=-1, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "begun\n"
    started = time.monotonic()
    remove(project)
    assert process.wait(20) == 2
    assert time.monotonic() - started < 10
    (line,) = process.stderr.read().splitlines()
    assert line.startswith(f"ambivox: {project}: {PROJECT}")


@pytest.mark.parametrize(
    "words",
    [
        [str(COMMAND), "doctor"],
        [
            str(COMMAND),
            "pool",
            "--utterances",
            "a.parquet",
            "--votes",
            "b",
            "--annotations",
            "c",
            "--out",
            "d",
        ],
        [sys.executable, "-m", "ambivox.flows.stage_process", "pool@demo"],
    ],
    ids=["doctor", "step", "stage"],
)
def test_a_command_in_a_removed_folder_is_one_line(tmp_path: Path, words: list[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    script = f'rmdir "{folder}"; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "ambivox: the current folder was removed; go to a folder that exists and run the command again"
    ]
