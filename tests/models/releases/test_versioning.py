"""Versions in a git repository: tags that are free, the newest tag, and refusals. DVC itself is in tests/tasks/test_release.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.releases.versioning import Versions, _corpus


def git(*arguments: str, cwd: Path) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, check=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git("init", "-q", cwd=tmp_path)
    for name, value in (("user.name", "A. Person"), ("user.email", "a@example.org")):
        git("config", name, value, cwd=tmp_path)
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def test_tags_are_ordered_as_versions_and_never_reused(project: Path) -> None:
    git("commit", "-q", "--allow-empty", "-m", "start", cwd=project)
    versions = Versions(project)
    assert versions.latest("demo") == ""
    for tag in ("demo-v2", "demo-v10", "demo-v9.1", "demo-vision", "demo_two-v11"):
        git("tag", tag, cwd=project)
    assert versions.latest("demo") == "demo-v10"
    assert versions.free_tag("demo", "v11") == "demo-v11"
    with pytest.raises(UserError, match="released already"):
        versions.free_tag("demo", "v2")
    for version in ("2", "v1.2.3.4", "v1-rc", "newest"):
        with pytest.raises(UserError, match="is not a version"):
            versions.free_tag("demo", version)


def test_a_repository_without_commits_is_named(project: Path) -> None:
    with pytest.raises(UserError, match="no commit yet"):
        Versions(project).revision()


def test_a_folder_without_dvc_or_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a DVC project"):
        Versions(tmp_path)
    (tmp_path / ".dvc").mkdir()
    with pytest.raises(UserError, match="git"):
        Versions(tmp_path)


@pytest.mark.parametrize("stage", ["pool@demo_two", "finetune@demo_two-human-on", "data/demo_two/alm.dvc"])
def test_the_corpus_of_a_stage(stage: str) -> None:
    assert _corpus(stage) == "demo_two"
