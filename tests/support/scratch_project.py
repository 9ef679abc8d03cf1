"""A project of its own to run commands in, as a user's clone is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).parent / "ambivox"


def make_project(folder: Path, *, with_git: bool = True) -> Path:
    """The project's pipeline, options and code in ``folder``, in a git repository with DVC or as a downloaded archive."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("dvc.yaml", "params.yaml", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("tasks", "models"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    _copy_dvc(folder)
    if with_git:
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def init_repository(folder: Path) -> None:
    """Make a folder a git repository with DVC, as `git init` and `dvc init` do, but without a start of DVC."""
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    _copy_dvc(folder)


def _copy_dvc(folder: Path) -> None:
    ignored = shutil.ignore_patterns("tmp", "cache", "config.local")
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=ignored)
    shutil.copy(ROOT / ".dvcignore", folder)


def environment(**changed: str) -> dict[str, str]:
    """The environment of a user who set nothing of Prefect's, with this tree's code."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AMBIVOX_"))
    }
    return kept | {"PYTHONPATH": str(ROOT / "src")} | changed


def ambivox(project: Path, *words: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a project."""
    return subprocess.run(
        [str(COMMAND), *words],
        cwd=project,
        env=environment(**changed),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
