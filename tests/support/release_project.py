"""A project with outputs of a run, on a real git and DVC, whose stages only copy what is below made/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.report_run import make_run

STAGES = ("ingest", "annotations", "distributions", "validation")
DVC_YAML = "metrics:\n  - data/unit/validation/metrics.json\nstages:\n" + "".join(
    f"  {name}:\n    foreach: [unit]\n    do:\n      cmd: mkdir -p data/unit && cp -r made/{name} data/unit/{name}\n"
    f"      deps: [made/{name}]\n      outs: [data/unit/{name}]\n"
    for name in STAGES
)


def dvc(*arguments: str, cwd: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def git(*arguments: str, cwd: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True).stdout


def make_release_project(root: Path) -> Path:
    """A project whose outputs are up to date and committed, for the corpus ``unit``; ``made`` may be there already."""
    if not (root / "made").is_dir():
        make_run(root / "made", 60)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / ".gitignore").write_text("made/\n")
    git("init", "-q", "-b", "main", cwd=root)
    for name, value in (("user.name", "A. Person"), ("user.email", "a@example.org")):
        git("config", name, value, cwd=root)
    dvc("init", "-q", cwd=root)
    git("add", "-A", cwd=root)
    git("commit", "-qm", "start", cwd=root)
    dvc("repro", "-q", cwd=root)
    return root
