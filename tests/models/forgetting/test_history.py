"""Versions of files that git keeps and that mention people are found wherever git keeps them."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.forgetting import held_elsewhere
from ambivox.models.forgetting.history import files_in_history
from ambivox.models.forgetting.mentions import Names

NAMES = Names({"call-001"}, {"anna-k"})


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", "Work")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project below the top of a repository, with a version of a file in each place that git has for one."""
    top = tmp_path / "top"
    project = top / "project"
    project.mkdir(parents=True)
    git(top, "init", "-q", "-b", "main")
    commit(top, beside="call-001")
    pl.DataFrame({"id": ["call-001"]}).write_parquet(project / "table é.parquet")
    (project / os.fsdecode(b"latin-\xe9")).write_text("anna-k")
    (project / "cut.gz").write_bytes(gzip.compress(b"call-002")[:-4])
    commit(project, deleted="call-001", copy="call-001", changed="call-001", never="call-002")
    (project / "deleted").unlink()
    commit(project, changed="call-002")
    git(project, "checkout", "-qb", "side")
    commit(project, on_a_branch="call-001")
    commit(project, on_a_branch="call-002")
    git(project, "checkout", "-q", "main")
    commit(project, other="x")
    git(project, "merge", "-q", "--no-edit", "side")
    git(project, "branch", "-qD", "side")
    commit(project, amended="call-001")
    (project / "amended").write_text("call-002")
    git(project, "commit", "-qam", "Amended", "--amend")
    (project / "never").write_text("call-001")
    git(project, "stash")
    (project / "staged").write_text("call-001 again")
    git(project, "add", "staged")
    return project


def test_a_version_is_found_in_commits_merges_reflogs_the_stash_and_the_index(repository: Path) -> None:
    names = (
        "amended",
        "changed",
        "copy",
        "deleted",
        os.fsdecode(b"latin-\xe9"),
        "never",
        "on_a_branch",
        "staged",
    )
    expected = [f"project/{name}" for name in (*names, "table é.parquet")]
    assert files_in_history(repository, NAMES) == (sorted(expected), ["project/cut.gz"])
    assert files_in_history(repository, Names({"call-003"}, set()))[0] == []


def test_history_is_listed_with_the_command_that_purges_it(repository: Path) -> None:
    held = list(
        held_elsewhere.commands(repository, ["people"], NAMES, imported_changed=[], runs_are_stale=False)
    )
    (what, purge), unknown = held[0], held[1][0]
    assert what.startswith("earlier commits hold project/amended, project/changed, project/copy")
    assert "--path project/deleted " in purge[0]
    assert purge[0].startswith("git filter-repo --invert-paths --path project/amended ")
    assert "project/cut.gz cannot be searched" in unknown


def test_where_there_is_no_repository_there_is_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files_in_history(tmp_path, NAMES) == ([], [])
    monkeypatch.setenv("PATH", "")
    assert files_in_history(tmp_path, NAMES) == ([], [])


def test_dvcs_cache_of_the_machine_is_listed_if_it_mentions_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc.repo import Repo

    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    project = tmp_path / "project"
    project.mkdir()
    Repo.init(str(project), no_scm=True).close()
    with Repo(str(project)) as repo, repo.config.edit("local") as config:
        config["core"]["site_cache_dir"] = str(tmp_path / "site cache")

    def held() -> list[tuple[str, list[str]]]:
        return list(
            held_elsewhere.commands(project, ["people"], NAMES, imported_changed=[], runs_are_stale=False)
        )

    with Repo(str(project)) as repo:
        cache = Path(repo.site_cache_dir)
    other = tmp_path / "site cache/repo/other"
    for folder in (cache, other):
        folder.mkdir(parents=True, exist_ok=True)
    (other / "x").write_text("/elsewhere/call-001.wav")
    assert held() == []
    (cache / "x").write_text("/data/call-001.wav")
    assert held() == [
        (f"DVC's cache of this machine, {cache}: paths of files", [f"rm -r '{cache}'"]),
    ]
    shutil.rmtree(project / ".dvc")
    assert held() == []
