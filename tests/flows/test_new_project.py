"""A project of one's own: what ``ambivox init`` makes works like a checkout, and ``ambivox upgrade`` keeps it truthful."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ambivox.flows import diagnostics, new_project, software
from ambivox.flows.job import Job
from ambivox.flows.params_file import load
from ambivox.flows.project import enter
from ambivox.models.errors import UserError
from tests.support.scratch_project import ROOT, ambivox, environment
from tests.support.small_corpora import table

DVC = [sys.executable, "-m", "dvc"]


def lines_of(project: Path, *command: str) -> list[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=project, env=environment(PATH=path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def stale(project: Path) -> dict[str, Any]:
    """The stages that changed by themselves, and in what."""
    status: dict[str, Any] = json.loads("".join(lines_of(project, *DVC, "status", "--json")))
    return status


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with one table corpus in it."""
    tmp_path = tmp_path_factory.mktemp("made")
    new_project.make(tmp_path / "project")
    settings = {"ingest": {"shares": [0.0, 0.5, 0.0, 0.5], "keep_votes": 2}}
    job = Job("mine", "table", table(tmp_path / "recordings"), "tiny", settings, None, ("pooled",), ("on",))
    enter(tmp_path / "project", job)
    return tmp_path / "project"


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of it, with the recordings beside it."""
    shutil.copytree(made.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "project"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def stages_of(text: str) -> dict[str, dict[str, Any]]:
    loaded = YAML(typ="safe").load(text)["stages"]
    return {step: body.get("do", body) for step, body in loaded.items()}


def test_the_pipeline_is_that_of_the_checkout_with_hashes_in_place_of_code() -> None:
    new, checkout = stages_of(new_project.pipeline()), stages_of((ROOT / "dvc.yaml").read_text())
    assert list(new) == list(checkout)
    for step, body in checkout.items():
        body["deps"] = [path for path in body["deps"] if not path.startswith(("tasks/", "models/"))]
        body["params"] = [*body["params"], {"software.yaml": [f"steps.{step}"]}]
        assert new[step] == body


def test_the_comments_of_params_yaml_are_those_of_the_checkout() -> None:
    header = (ROOT / "params.yaml").read_text().partition("corpora:\n")[0]
    assert (ROOT / "flows/project_files/params.yaml").read_text().startswith(header + "corpora: {}\n")


def test_a_stage_runs_once_and_again_after_an_upgrade_of_its_code(project: Path) -> None:
    lines_of(project, *DVC, "repro", "--single-item", "ingest@mine")
    assert (project / "data/mine/ingest/votes.parquet").is_file()
    # The data was made by other code than that which is installed now.
    recorded = software.recorded(project)
    assert recorded is not None
    edit(project / "software.yaml", recorded.steps["ingest"], "0" * 64)
    edit(project / "software.yaml", f"version: {recorded.version}", "version: 0.0.9")
    lines_of(project, *DVC, "commit", "--force", "ingest@mine")
    refused = ambivox(project, "stage", "ingest", "--name", "ingest@mine")
    assert refused.returncode == 2
    message = (
        "ambivox: this project runs with Ambivox 0.0.9, and the code of ingest in the installed Ambivox "
        f"{recorded.version} is another; see what changes with: ambivox upgrade --dry-run"
    )
    assert refused.stderr.splitlines() == [message]
    documented = message.replace(recorded.version, "0.2.0").replace("0.0.9", "0.1.0")
    assert documented.replace("ingest", "pool") in (ROOT / "docs/projects.md").read_text()
    with pytest.raises(UserError, match=r"runs with Ambivox 0\.0\.9"):
        software.check(project)
    (found,) = [finding for finding in diagnostics.findings(project) if finding.what == "software"]
    assert (found.state, found.advice) == ("missing", refused.stderr.strip().removeprefix("ambivox: "))
    before = {path.name: path.read_bytes() for path in project.iterdir() if path.is_file()}
    dry = ambivox(project, "upgrade", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert f"-  ingest: {'0' * 64}\n+  ingest: {recorded.steps['ingest']}" in dry.stdout
    assert f"Ambivox 0.0.9 -> {recorded.version}: stages of ingest run again" in dry.stdout
    assert {path.name: path.read_bytes() for path in project.iterdir() if path.is_file()} == before
    assert "ingest@mine" not in stale(project)
    new_project.upgrade(project, dry_run=False, discard_edits=False)
    assert stale(project)["ingest@mine"] == [
        {"changed deps": {"software.yaml": {"steps.ingest": "modified"}}}
    ]


def test_code_changes_the_hash_of_exactly_its_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tasks", "models"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.setattr(software, "_PACKAGE", tmp_path)
    before = software.installed("").steps
    assert before.keys() == software.code_of_steps().keys()
    assert len({*before.values()}) == len(before)
    for path in sorted({path for paths in software.code_of_steps().values() for path in paths}):
        place = tmp_path / path
        edited = place if place.is_file() else place / "new_file.py"
        content = edited.read_bytes() if edited.exists() else None
        edited.write_bytes((content or b"") + b"\n# edited\n")
        changed = {step for step, digest in software.installed("").steps.items() if digest != before[step]}
        listing = {step for step, paths in software.code_of_steps().items() if path in paths}
        # The report depends on all of reporting, of which the other steps list parts.
        assert changed == listing | ({"report"} if path.startswith("models/reporting/") else set()), path
        edited.unlink() if content is None else edited.write_bytes(content)
    (tmp_path / "models" / "audio" / "__pycache__").mkdir(exist_ok=True)
    (tmp_path / "models" / "audio" / "__pycache__" / "compiled.pyc").write_bytes(b"x")
    assert software.installed("").steps == before


def test_an_upgrade_keeps_what_the_user_set_and_adds_what_is_new(project: Path) -> None:
    params = project / "params.yaml"
    edit(params, "      on_error: reject\n", "")  # as if the option were new
    edit(params, "      keep_votes: 2\n", "      keep_votes: 2 # agreed with Ada\n")
    edit(params, "      criterion: likelihood\n", "      criterion: balanced\n      resamples: 100\n")
    dry = new_project.upgrade(project, dry_run=True, discard_edits=False)
    assert "+      on_error: reject" in dry.diff
    assert dry.notes == ("corpora.mine.pool.resamples: removed, as the option no longer exists",)
    assert "resamples" in params.read_text()
    new_project.upgrade(project, dry_run=False, discard_edits=False)
    entry = load(project)["corpora"]["mine"]
    assert (entry["ingest"]["keep_votes"], entry["ingest"]["on_error"]) == (2, "reject")
    assert entry["pool"]["criterion"] == "balanced"
    assert "keep_votes: 2 # agreed with Ada" in params.read_text()
    assert new_project.upgrade(project, dry_run=True, discard_edits=False).diff == ""


def test_an_option_of_another_version_is_named_and_nothing_is_written(project: Path) -> None:
    edit(project / "params.yaml", "criterion: likelihood", "criterium: likelihood")
    edit(project / "software.yaml", "version: ", "version: 9")
    before = (project / "software.yaml").read_bytes()
    with pytest.raises(
        UserError, match=r"^unknown option of pool in params\.yaml: corpora\.mine\.pool 'criterium'"
    ):
        new_project.upgrade(project, dry_run=False, discard_edits=False)
    assert (project / "software.yaml").read_bytes() == before


def test_a_pipeline_that_was_edited_is_not_replaced_unasked(project: Path) -> None:
    edit(project / "dvc.yaml", "outs:", "desc: ours\n      outs:")
    edited = (project / "dvc.yaml").read_text()
    with pytest.raises(UserError, match="edited by hand"):
        new_project.upgrade(project, dry_run=True, discard_edits=False)
    change = new_project.upgrade(project, dry_run=True, discard_edits=True)
    assert "-      desc: ours" in change.diff
    assert (project / "dvc.yaml").read_text() == edited
    new_project.upgrade(project, dry_run=False, discard_edits=True)
    assert (project / "dvc.yaml").read_text() == new_project.pipeline()


def test_a_damaged_software_file_is_one_line_and_can_be_written_anew(project: Path) -> None:
    intact = (project / "software.yaml").read_text()
    for content in ("", "steps: [", "version: 1\n", "- a\n", "version: 1\npipeline: x\nsteps: 5\n"):
        (project / "software.yaml").write_text(content)
        with pytest.raises(UserError, match=r"software\.yaml: expected versions and hashes"):
            software.check(project)
        new_project.upgrade(project, dry_run=False, discard_edits=True)
        assert (project / "software.yaml").read_text() == intact


def test_a_checkout_is_not_a_project_of_ones_own(tmp_path: Path) -> None:
    software.check(ROOT)
    with pytest.raises(UserError, match=r"has no software\.yaml: it is a checkout"):
        new_project.upgrade(ROOT, dry_run=True, discard_edits=False)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    with pytest.raises(UserError, match=r"dvc\.yaml exists already"):
        new_project.make(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"dvc.yaml"}


def test_a_folder_below_a_repository_keeps_its_files(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    folder = tmp_path / "our project"
    folder.mkdir()
    (folder / "README.md").write_text("# Ours\n")
    (folder / ".gitignore").write_text("secret\n.venv/")
    new_project.make(folder)
    assert (folder / "README.md").read_text() == "# Ours\n"
    ignored = (folder / ".gitignore").read_text().splitlines()
    assert ignored[:2] == ["secret", ".venv/"]
    assert ignored.count(".venv/") == 1
    assert ".ambivox/" in ignored
    assert not (folder / ".git").exists()
    assert stale(folder) == {}


@pytest.mark.parametrize("rule", ["tools/", "/tools/*", ".dvc"])
def test_a_folder_that_git_ignores_is_refused_with_the_rule(tmp_path: Path, rule: str) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text(f"*.wav\n{rule}\n")
    with pytest.raises(
        UserError, match=r"ignores this folder \(.*\.gitignore:2:.*\); choose another"
    ) as raised:
        new_project.make(tmp_path / "tools/study")
    assert rule in str(raised.value)


@pytest.mark.parametrize("name", ["{x}", "a{", "}b"])
def test_a_place_where_dvc_cannot_work_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="DVC cannot work where the path has"):
        new_project.make(tmp_path / name / "study")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml", "README.md", ".gitignore", "software.yaml"])
@pytest.mark.parametrize("is_broken", [False, True])
def test_a_link_is_not_replaced(tmp_path: Path, name: str, *, is_broken: bool) -> None:
    if not is_broken:
        (tmp_path / "theirs").write_text("theirs\n")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / name).symlink_to("../theirs")
    with pytest.raises(UserError, match=r"found a link|is an Ambivox project already"):
        new_project.make(tmp_path / "study")
    assert [path.name for path in (tmp_path / "study").iterdir()] == [name]
    assert (tmp_path / "study" / name).is_symlink()


def test_a_project_needs_git_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="git cannot be started"):
        new_project.make(tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_an_interrupted_init_is_completed_and_a_finished_one_refused(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    new_project.make(folder)
    complete = {path.name for path in folder.iterdir()}
    (folder / "software.yaml").unlink()
    (folder / ".dvc" / "config").write_text("")
    (folder / "params.yaml").unlink()
    assert new_project.make(folder) == ["params.yaml", ".dvc/config", "software.yaml"]
    assert {path.name for path in folder.iterdir()} == complete
    done = ambivox(tmp_path, "init", "project")
    assert done.returncode == 2
    assert done.stderr == (
        "ambivox: project is an Ambivox project already; to bring it to the installed version, run there: ambivox upgrade\n"
    )
