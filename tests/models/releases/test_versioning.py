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
        Versions(project).revision("demo-v1")


def test_a_folder_without_dvc_or_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a DVC project"):
        Versions(tmp_path)
    (tmp_path / ".dvc").mkdir()
    with pytest.raises(UserError, match="git"):
        Versions(tmp_path)


@pytest.mark.parametrize("stage", ["pool@demo_two", "finetune@demo_two-human-on", "data/demo_two/alm.dvc"])
def test_the_corpus_of_a_stage(stage: str) -> None:
    assert _corpus(stage) == "demo_two"


@pytest.mark.parametrize("killed_at", ["add", "commit", "tag"])
def test_a_release_that_was_killed_is_completed_by_the_same_command(
    project: Path, killed_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One commit, one tag, and a card that names the commit before, whenever it was killed."""
    git("commit", "-q", "--allow-empty", "-m", "start", cwd=project)
    (project / ".dvc/config").write_text("")
    start, run = Versions(project).revision("demo-v1"), Versions._git

    def killed(self: Versions, *words: str) -> str:
        if words[0] == killed_at:
            raise KeyboardInterrupt
        return run(self, *words)

    def release() -> None:
        versions = Versions(project)
        card = project / "demo-v1.md"
        card.write_text(versions.revision("demo-v1"))
        versions.commit_and_tag("demo-v1", [card])

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Versions, "_git", killed)
        release()
    # A kill of DVC leaves its list of busy processes cut off, which DVC itself refuses to read.
    busy = project / ".dvc/tmp/rwlock"
    busy.parent.mkdir()
    busy.write_text("")
    assert Versions(project).free_tag("demo", "v1") == "demo-v1"
    assert not busy.exists()
    release()
    versions = Versions(project)
    assert versions._git("log", "--format=%s").splitlines() == ["Release demo-v1", "start"]
    assert versions._git("tag") == "demo-v1"
    assert versions._git("show", "demo-v1:demo-v1.md") == start
