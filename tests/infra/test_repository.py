"""The files for GitHub, pre-commit and citation: they are valid, and they run what developers run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ambivox.models.processes.git import run_git

ROOT = Path(__file__).parents[2]


def load(path: str) -> Any:
    return YAML(typ="safe").load(ROOT / path)


def test_the_workflow_only_calls_what_developers_call() -> None:
    workflow = load(".github/workflows/check.yaml")
    assert set(workflow["on"]) == {"push", "pull_request", "schedule"}
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run", "make audit"]
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w./-]+@v\d+\.\d+\.\d+", action) for action in actions)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_pre_commit_runs_the_commands_of_make_lint() -> None:
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    recipe = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    of_lint = set(re.findall(r"\$\(BIN\)/([\w-]+)", recipe))
    of_hooks = {Path(hook["entry"].split()[0]).name for hook in repository["hooks"]}
    assert of_hooks == of_lint


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_issue_forms_have_unique_fields(name: str) -> None:
    form = load(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    identifiers = [field["id"] for field in form["body"]]
    assert len(identifiers) == len(set(identifiers))
    assert all(field["attributes"]["label"] for field in form["body"])


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = load("CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (str(citation["version"]), citation["license"]) == (project["version"], project["license"])
    (paper,) = citation["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2601.14620"
    assert citation["authors"]
    assert paper["authors"]


def test_nothing_that_git_ignores_is_tracked() -> None:
    """An environment that is a link would replace those of other checkouts."""
    tracked = run_git(ROOT, "ls-files", "--cached", "--ignored", "--exclude-standard")
    assert (tracked.returncode, tracked.stdout) == (0, "")
    assert run_git(ROOT, "check-ignore", "--no-index", ".venv").returncode == 0
