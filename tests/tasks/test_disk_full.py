"""A disk that fills up under annotate and pool, and one that can only be read: stored answers survive, no partial files remain, the command resumes.

The small disk is a tmpfs in its own mount namespace, so one process in the namespace runs the whole scenario.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pooling_tables import simulated_corpus, write_files
from tests.support.steps import annotate, pool

ROOT = Path(__file__).parents[2]
SCENARIO = """
import json, os, subprocess, sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from ambivox.flows.cli import build
from ambivox.tasks._main import run

here, disk = Path(sys.argv[1]), Path(sys.argv[1]) / "disk"
outcomes = []

def size(kibibytes):
    options = f"size={kibibytes}k" if not os.path.ismount(disk) else f"remount,size={kibibytes}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)

def ambivox(*words):
    stderr = StringIO()
    with redirect_stderr(stderr):
        code = run(build(), list(words))
    shards = len([path for path in disk.rglob("*.parquet") if "store" in path.parts])
    partial = [str(path) for path in disk.rglob(".*") if path.suffix in (".tmp", ".old")]
    outcomes.append({"code": code, "stderr": stderr.getvalue(), "shards": shards, "partial": partial})

size(56)
annotate = ("annotate", "--utterances", str(here / "utterances.parquet"), "--alm", "qwen2_audio", "--engine", "fake",
            "--shard", "2", "--store", str(disk / "store"), "--out", str(disk / "out"))
ambivox(*annotate)
outcomes[-1]["out"] = (disk / "out").exists()
size(4096)
ambivox(*annotate)
(here / "kept").write_bytes((disk / "out/annotations.parquet").read_bytes())

pool = ("pool", *(f"--{name}={here / 'generated' / name}.parquet" for name in ("utterances", "votes", "annotations")),
        "--out", str(disk / "pooled"))
ambivox(*pool)
before = {path.name: path.read_bytes() for path in (disk / "pooled").iterdir()}
free = os.statvfs(disk)
(disk / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize - 40_000))
ambivox(*pool, "--seed", "1")
outcomes[-1]["as_before"] = before == {path.name: path.read_bytes() for path in (disk / "pooled").iterdir()}
(disk / "filler").unlink()
ambivox(*pool, "--seed", "1")
(here / "pooled").write_bytes((disk / "pooled/pooled.parquet").read_bytes())
subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
before = sorted(path.read_bytes() for path in disk.rglob("*.parquet"))
ambivox(*annotate, "--seed", "1", "--drawn-votes", "3")
ambivox(*annotate[:-1], str(here / "elsewhere"), "--personas", "tone")
ambivox(*pool, "--seed", "2")
outcomes[-1]["as_before"] = before == sorted(path.read_bytes() for path in disk.rglob("*.parquet"))
(here / "outcomes.json").write_text(json.dumps(outcomes))
"""


def test_the_disk_fills_and_the_same_command_resumes(make_utterances, tmp_path: Path, fresh_engine) -> None:
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("this machine permits no mount namespaces")
    utterances = make_utterances(24)
    uninterrupted = annotate(
        utterances=utterances,
        alm="qwen2_audio",
        engine="fake",
        shard=2,
        store=str(tmp_path / "other"),
        out=tmp_path / "uninterrupted",
    )
    (tmp_path / "generated").mkdir()
    files = write_files(tmp_path / "generated", simulated_corpus(rows=200, votes=9))
    pooled = pool(
        utterances=files.utterances,
        votes=files.votes,
        annotations=files.annotations,
        seed=1,
        out=tmp_path / "p",
    )
    (tmp_path / "disk").mkdir()
    subprocess.run(
        [*namespace, sys.executable, "-c", SCENARIO, str(tmp_path)],
        cwd=ROOT,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )
    annotating, again, pooling, refused, repeated, *read_only = json.loads(
        (tmp_path / "outcomes.json").read_text()
    )

    shards = len(list((tmp_path / "other").rglob("*.parquet")))
    assert annotating["code"] == 74
    assert 1 <= annotating["shards"] < shards
    assert not annotating["out"]
    assert (again["code"], again["shards"]) == (0, shards)
    assert (tmp_path / "kept").read_bytes() == (uninterrupted / "annotations.parquet").read_bytes()

    assert (pooling["code"], refused["code"], repeated["code"]) == (0, 74, 0)
    assert refused["as_before"]
    assert (tmp_path / "pooled").read_bytes() == (pooled / "pooled.parquet").read_bytes()
    for failed in (annotating, refused):
        assert len(failed["stderr"].strip().splitlines()) == 1
        assert (
            "no space left to write it" in failed["stderr"]
            and "run the same command again" in failed["stderr"]
        )
    # Then the disk can only be read: the output, the store, and the output of another step.
    assert read_only[-1]["as_before"]
    for outcome in read_only:
        assert outcome["code"] == 2, outcome
        assert (
            "ead-only file system" in outcome["stderr"] and len(outcome["stderr"].strip().splitlines()) == 1
        )
    for outcome in (annotating, again, pooling, refused, repeated, *read_only):
        assert outcome["partial"] == []
