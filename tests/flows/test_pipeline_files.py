"""Files that a run reads first: what cannot be read is named before a corpus is entered, and by doctor."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.flows.commands.forget import forget
from ambivox.flows.commands.forget_corpus import forget_corpus
from ambivox.flows.commands.run import run
from ambivox.flows.diagnostics import findings
from ambivox.flows.new_project import make
from ambivox.flows.pipeline_files import pipeline_problems
from ambivox.models.dvc_files import keep_lock_file
from ambivox.models.errors import UserError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make(tmp_path / "study")
    return tmp_path / "study"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (".dvc/config", b"[core", "DVC cannot read its settings (Invalid line"),
        (".dvc/config", b"[core]\nno_such_option = 1\n", "DVC cannot read its settings"),
        (".dvc/config", b"\xff\xfe[", "DVC cannot read its settings ("),
        ("dvc.yaml", b"stages: [", "cannot be read as YAML"),
        ("dvc.yaml", b"", "expected a mapping with stages"),
        ("dvc.yaml", b"stages: none", "expected a mapping with stages"),
        ("dvc.yaml", b"stages:\n  pool: 3\n", "DVC cannot read it ("),
        (
            "dvc.yaml",
            b"stages: {}\nstage: {}\n",
            "DVC cannot read it (extra keys not allowed @ data['stage'])",
        ),
        ("dvc.lock", b"[]", "expected what the stages of the pipeline wrote"),
        ("dvc.lock", b"schema: '2.0'\nstages: {a", "cannot be read as YAML"),
        ("dvc.lock", b"corpora: {}\n", "DVC cannot read it (extra keys not allowed @ data['corpora'])"),
        ("software.yaml", b"- a\n", "expected versions and hashes of steps"),
        ("software.yaml", b"version: 1\npipeline: x\nsteps: [a]\n", "at steps: Input should be a valid dict"),
        ("params.yaml", b"corpora: {", "cannot be read as YAML"),
        ("params.yaml", b"corpora: 3", "corpora: expected a mapping, found 3"),
    ],
)
def test_what_cannot_be_read_is_named_before_anything_changes(
    project: Path, name: str, content: bytes, said: str
) -> None:
    (project / name).write_bytes(content)
    (problem,) = pipeline_problems(project)
    assert problem.startswith(f"{project / name}: ") and said in problem and "\n" not in problem
    before = (project / "params.yaml").read_bytes()
    with pytest.raises(UserError, match="^" + str(project)):
        run(corpus="demo", key="ours", project=project)
    assert (project / "params.yaml").read_bytes() == before
    assert not (project / "data/ours").exists()
    with pytest.raises(UserError, match="^" + str(project)):
        forget(speaker=("s1",), project=project)
    with pytest.raises(UserError, match="^" + str(project)):
        forget_corpus("demo", project=project)
    (found,) = [finding for finding in findings(project) if finding.what == "pipeline"]
    assert found.state == "missing" and found.found == problem


def test_a_lock_file_that_the_next_run_restores_is_no_problem(project: Path) -> None:
    (project / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    keep_lock_file(project)
    for cut in ("", "schema: '2.0'\nstages: {a", "[]"):
        (project / "dvc.lock").write_text(cut)
        assert list(pipeline_problems(project)) == []


def test_files_as_they_are_made_have_no_problem(project: Path) -> None:
    assert list(pipeline_problems(project)) == []
    (found,) = [finding for finding in findings(project) if finding.what == "pipeline"]
    assert found.state == "ok"
