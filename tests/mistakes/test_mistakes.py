"""A sample of wrong paths and contents, as commands in forked processes; ``make mistakes`` runs all."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.scratch_project import ROOT, environment
from tests.support.tiny_fixtures import IngestedDemo

PER_KIND = 12


@pytest.mark.timeout(300)
def test_wrong_paths_and_contents_are_one_line_and_change_nothing(demo_corpus: IngestedDemo) -> None:
    command = [sys.executable, "-m", "tests.mistakes", "paths", "texts", "--sample", str(PER_KIND)]
    done = subprocess.run(
        [*command, "--data", str(demo_corpus.folder.parent)],
        cwd=ROOT,
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"paths: {PER_KIND} cases: " in done.stdout and f"texts: {PER_KIND} cases: " in done.stdout
