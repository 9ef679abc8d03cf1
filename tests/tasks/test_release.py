"""Releases: two versions of a dataset, fetched and compared, on a real git and DVC, through a real S3 server."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from tests.support.release_project import dvc, git, make_release_project
from tests.support.report_run import make_run
from tests.support.steps import release


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_release_project(tmp_path / "project")
    monkeypatch.chdir(root)
    return root


def objects(url: str) -> set[str]:
    """What the remote holds."""
    import boto3

    pages = boto3.client("s3", endpoint_url=url).get_paginator("list_objects_v2").paginate(Bucket="ambivox")
    return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


def improve(root: Path) -> None:
    """Another annotator: pooled gets closer."""
    metrics = json.loads((root / "made/validation/metrics.json").read_text())
    metrics["pooled"]["js"] = {"value": 0.14, "low": 0.13, "high": 0.15}
    write_json(root / "made/validation/metrics.json", metrics)
    make_run(root / "other", 60, seed=1)
    shutil.rmtree(root / "made/distributions")
    shutil.copytree(root / "other/distributions", root / "made/distributions")


@pytest.mark.server
def test_two_versions_through_s3(project: Path, s3: str) -> None:
    first = project / "data/unit/distributions/pooled.parquet"
    v1 = first.read_bytes()
    dvc("remote", "add", "-d", "team", "s3://ambivox/dvc", cwd=project)
    dvc("remote", "modify", "team", "endpointurl", s3, cwd=project)
    page = release(data=Path("data/unit"), version="v1", licence="ODbL 1.0", push=True)
    text = page.read_text()
    for expected in (
        "# unit v1",
        "ODbL 1.0",
        "angry, happy, neutral, sad",
        "| Worth of tiny in further human votes, by nll (nats per vote) | 1.9 [1.2, 2.8] |",
        "| Equivalent votes (κ) of tiny | 2.47 [2.10, 2.90] |",
        "abc123",
        "0.160 [0.152, 0.169]",
        "dvc get --rev unit-v1",
        "| train | 15 | 3 |",
    ):
        assert expected in text
    assert git("tag", cwd=project).split() == ["unit-v1"]
    assert git("status", "--porcelain", cwd=project) == ""
    assert json.loads(page.with_suffix(".json").read_text())["files"]["distributions/pooled.parquet"]

    improve(project)
    with pytest.raises(UserError, match="not up to date"):
        release(data=Path("data/unit"), version="v2")
    dvc("repro", "-q", cwd=project)
    release(data=Path("data/unit"), version="v2", push=True)
    assert first.read_bytes() != v1
    through = (project / "releases/unit.html").read_text()
    assert (
        "v2 against v1: pooled is better by JS (base 2), 0.140 [0.130, 0.150] against 0.160 [0.152, 0.169]."
        in through
    )
    assert "releases/unit.html" in git("show", "--stat", "unit-v2", cwd=project)

    target = "data/unit/validation/metrics.json"
    changed = json.loads(
        dvc("metrics", "diff", "unit-v1", "unit-v2", "--json", "--targets", target, cwd=project)
    )
    assert changed[target]["pooled.js.value"]["diff"] == pytest.approx(-0.02)
    # Garbage collection on the remote takes what no tag names, and leaves every release.
    released = objects(s3)
    metrics = json.loads((project / "made/validation/metrics.json").read_text())
    write_json(project / "made/validation/metrics.json", metrics | {"note": "an experiment that nobody kept"})
    dvc("repro", "-q", cwd=project)
    dvc("push", "-q", cwd=project)
    assert objects(s3) > released
    git("checkout", "-q", "--", "dvc.lock", cwd=project)
    dvc("checkout", "-q", "--force", cwd=project)
    dvc("fetch", "-q", "--all-tags", cwd=project)
    dvc("gc", "-q", "--workspace", "--all-tags", "--cloud", "--force", cwd=project)
    assert objects(s3) == released

    # A consumer gets one version without cloning, on a machine that has nothing but the remote.
    shutil.rmtree(project / ".dvc/cache")
    dvc(
        "get",
        "--rev",
        "unit-v1",
        str(project),
        "data/unit/distributions",
        "-o",
        str(project.parent / "got"),
        cwd=project.parent,
    )
    assert (project.parent / "got/pooled.parquet").read_bytes() == v1


def test_mistakes_are_named(project: Path) -> None:
    with pytest.raises(UserError, match="is not a version"):
        release(data=Path("data/unit"), version="newest")
    with pytest.raises(UserError, match="is not a version"):
        release(data=Path("data/unit"), version="v\N{FULLWIDTH DIGIT ONE}")
    with pytest.raises(UserError, match="no such folder"):
        release(data=Path("data/other"), version="v1")
    with pytest.raises(UserError, match="as the name of a corpus"):
        release(data=Path(), version="v1")
    for name in ("unit-v1.md", "unit-v1.json", "unit.html"):
        theirs = project / "releases" / name
        theirs.parent.mkdir(exist_ok=True)
        theirs.write_text("theirs\n")
        with pytest.raises(UserError, match=rf"{name}: is there, and is no earlier output"):
            release(data=Path("data/unit"), version="v1")
        assert theirs.read_text() == "theirs\n"
        theirs.unlink()
    release(data=Path("data/unit"), version="v1")
    with pytest.raises(UserError, match="released already"):
        release(data=Path("data/unit"), version="v1")
    os.chdir(project.parent)
    with pytest.raises(UserError, match="not a DVC project"):
        release(data=project / "data/unit", version="v2")
