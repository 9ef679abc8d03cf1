"""A disk that really fills up under annotate and pool: nothing stored is lost, no rubbish, a plain line, and on it goes.

The small disk is a tmpfs in a mount namespace of its own, so the whole story is told in one process in there.
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
STORY = """
import json, os, subprocess, sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from ambivox.flows.cli import build
from ambivox.tasks._main import run

here, disk = Path(sys.argv[1]), Path(sys.argv[1]) / "disk"
told = []

def size(kibibytes):
    options = f"size={kibibytes}k" if not os.path.ismount(disk) else f"remount,size={kibibytes}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)

def ambivox(*words):
    said = StringIO()
    with redirect_stderr(said):
        code = run(build(), list(words))
    shards = len([path for path in disk.rglob("*.parquet") if "store" in path.parts])
    rubbish = [str(path) for path in disk.rglob(".*")]
    told.append({"code": code, "said": said.getvalue(), "shards": shards, "rubbish": rubbish})

size(56)
annotate = ("annotate", "--utterances", str(here / "utterances.parquet"), "--alm", "qwen2_audio", "--engine", "fake",
            "--shard", "2", "--store", str(disk / "store"), "--out", str(disk / "out"))
ambivox(*annotate)
told[-1]["out"] = (disk / "out").exists()
size(4096)
ambivox(*annotate)
(here / "kept").write_bytes((disk / "out/annotations.parquet").read_bytes())

pool = ("pool", *(f"--{name}={here / 'made_up' / name}.parquet" for name in ("utterances", "votes", "annotations")),
        "--resamples", "0", "--out", str(disk / "pooled"))
ambivox(*pool)
before = {path.name: path.read_bytes() for path in (disk / "pooled").iterdir()}
free = os.statvfs(disk)
(disk / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize - 40_000))
ambivox(*pool, "--seed", "1")
told[-1]["as_before"] = before == {path.name: path.read_bytes() for path in (disk / "pooled").iterdir()}
(disk / "filler").unlink()
ambivox(*pool, "--seed", "1")
(here / "pooled").write_bytes((disk / "pooled/pooled.parquet").read_bytes())
(here / "told.json").write_text(json.dumps(told))
"""


def test_the_disk_fills_and_the_same_command_goes_on(make_utterances, tmp_path: Path, monkeypatch) -> None:
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("this machine permits no mount namespaces")
    monkeypatch.setattr("ambivox.models.engines._started", {})
    utterances = make_utterances(24)
    whole = annotate(
        utterances=utterances,
        alm="qwen2_audio",
        engine="fake",
        shard=2,
        store=str(tmp_path / "other"),
        out=tmp_path / "whole",
    )
    (tmp_path / "made_up").mkdir()
    files = write_files(tmp_path / "made_up", simulated_corpus(rows=200, votes=9))
    pooled = pool(
        utterances=files.utterances,
        votes=files.votes,
        annotations=files.annotations,
        resamples=0,
        seed=1,
        out=tmp_path / "p",
    )
    (tmp_path / "disk").mkdir()
    subprocess.run(
        [*namespace, sys.executable, "-c", STORY, str(tmp_path)],
        cwd=ROOT,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )
    annotating, again, pooling, refused, mended = json.loads((tmp_path / "told.json").read_text())

    shards = len(list((tmp_path / "other").rglob("*.parquet")))
    assert annotating["code"] == 74
    assert 1 <= annotating["shards"] < shards
    assert not annotating["out"]
    assert (again["code"], again["shards"]) == (0, shards)
    assert (tmp_path / "kept").read_bytes() == (whole / "annotations.parquet").read_bytes()

    assert (pooling["code"], refused["code"], mended["code"]) == (0, 74, 0)
    assert refused["as_before"]
    assert (tmp_path / "pooled").read_bytes() == (pooled / "pooled.parquet").read_bytes()
    for failed in (annotating, refused):
        assert len(failed["said"].strip().splitlines()) == 1
        assert (
            "no space left to write it" in failed["said"] and "run the same command again" in failed["said"]
        )
    for told in (annotating, again, pooling, refused, mended):
        assert told["rubbish"] == []
