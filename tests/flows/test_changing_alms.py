"""Another ALM for a corpus that was run before: by name, by folder, by a promotion, and none at all."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from ambivox.flows import params_file
from ambivox.flows.annotators import install_annotator
from ambivox.flows.job import Job
from ambivox.flows.pipeline import stages
from ambivox.flows.project import enter

WITHOUT_PRETRAINING = [0.0, 0.7, 0.1, 0.2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    subprocess.run([sys.executable, "-m", "ambivox", "init", str(folder)], check=True, capture_output=True)
    return folder


def _enter(project: Path, alm: str | None = None, **settings: dict[str, object]) -> None:
    enter(project, Job("demo", "demo", None, alm, settings, None, ("human",), ("on",)))


def _place(project: Path) -> Path:
    return project / "data/demo/alm"


def _shares(project: Path) -> list[float] | None:
    found = params_file.load(project)["corpora"]["demo"]["ingest"]["shares"]
    return None if found is None else list(found)


def _as_if_trained(project: Path) -> None:
    """What stage pretrain and DVC leave."""
    _place(project).mkdir(parents=True)
    (_place(project) / "config.json").write_text("{}")
    _place(project).with_name(".gitignore").write_text("/alm\n/ingest\n")


def _stages(project: Path) -> set[str]:
    """The stages as DVC sees them; it refuses two that write the same place."""
    return {stage.address for stage in stages(project, ("demo",))}


def test_an_alm_from_elsewhere_takes_the_place_of_a_trained_one(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _enter(project)
    _as_if_trained(project)
    assert _shares(project) is None
    with caplog.at_level(logging.WARNING):
        _enter(project, "qwen2_audio")
    assert _place(project).read_text() == "qwen2_audio\n"
    assert _place(project).with_name(".gitignore").read_text() == "/ingest\n"  # git keeps the name
    assert _shares(project) == WITHOUT_PRETRAINING and "the splits change" in caplog.text
    assert "pretrain@demo" not in _stages(project)


def test_a_run_that_names_no_alm_keeps_the_one_in_use(project: Path) -> None:
    _enter(project, "qwen2_audio")
    _enter(project)
    assert _place(project).read_text() == "qwen2_audio\n"
    assert "demo" not in params_file.load(project)["pretrain"]


def test_back_to_the_trained_alm(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    _enter(project, "qwen2_audio")
    with caplog.at_level(logging.WARNING):
        _enter(project, "tiny")
    assert not _place(project).exists() and _shares(project) is None
    assert "ingest.shares is the default" in caplog.text
    assert "pretrain@demo" in _stages(project)


def test_shares_that_were_asked_for_stay(project: Path) -> None:
    _enter(project, ingest={"shares": [0.5, 0.2, 0.1, 0.2]})
    _enter(project, "qwen2_audio")
    assert _shares(project) == [0.5, 0.2, 0.1, 0.2]


@pytest.mark.parametrize("alm", [None, "tiny", "qwen2_audio"])
def test_after_a_promotion(project: Path, tmp_path: Path, alm: str | None) -> None:
    """A promoted ALM stays until another is named; DVC must not see two that write its place."""
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    _enter(project)
    promoted = tmp_path / "promoted"
    promoted.mkdir()
    (promoted / "config.json").write_text('{"promoted": true}')
    _as_if_trained(project)
    install_annotator(project, "demo", promoted)
    _enter(project, alm)
    marker = project / "data/demo/alm.dvc"
    if alm is None:
        assert (_place(project) / "config.json").read_text() == '{"promoted": true}' and marker.is_file()
        assert _shares(project) is None  # the splits of the ledger's trials stay
    else:
        assert not marker.exists()
    assert ("pretrain@demo" in _stages(project)) == (alm == "tiny")


def test_another_folder_under_the_same_key_is_said(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    _enter(project)
    other = Job("demo", "demo", project / "other", None, {}, None, ("human",), ("on",))
    with caplog.at_level(logging.WARNING):
        enter(project, other)
    said = f"demo: read from data/demo/raw before, from {project / 'other'} now; to keep both, name a corpus with --key"
    assert said in caplog.text
