"""A machine without git: one line, wherever git is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.api import load_distributions
from ambivox.models.errors import UserError
from ambivox.models.processes.git import run_git
from ambivox.models.releases.versioning import Versions


def test_git_is_asked_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    assert run_git(folder, "init", "--quiet").returncode == 0
    assert Path(run_git(folder, "rev-parse", "--show-toplevel").stdout.strip()) == folder.resolve()


def test_a_machine_without_git_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    for ask in (
        lambda: Versions(tmp_path),
        lambda: load_distributions(tmp_path, revision="v1"),
    ):
        with pytest.raises(
            UserError, match=r"^git cannot be started \(No such file or directory\); install it"
        ):
            ask()
