"""A run that is killed resumes, and two runs can share a store."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl

from tests.support.annotation_runs import scored_prompts

SLOW_RUN = """
import sys, time
from pathlib import Path
from ambivox.models.engines.fake import FakeEngine
from tests.support.steps import annotate
fast = FakeEngine.score
def score(self, requests):
    time.sleep(float(sys.argv[4]))
    return fast(self, requests)
FakeEngine.score = score
annotate(utterances=Path(sys.argv[1]), store=sys.argv[2], out=Path(sys.argv[3]), alm="qwen2_audio", engine="fake",
         shard=2, drawn_votes=2, orders=2)
"""


def slow_run(utterances: Path, store: Path, out: Path, seconds: float) -> subprocess.Popen[bytes]:
    """The step in its own process, with an engine that takes ``seconds`` per shard."""
    command = [sys.executable, "-c", SLOW_RUN, str(utterances), str(store), str(out), str(seconds)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], env=os.environ | {"OMP_NUM_THREADS": "1"})


def shards(store: Path) -> int:
    return len(list(store.rglob("[!.]*.parquet")))


def test_the_same_command_resumes_after_a_kill(make_utterances, run_annotate, tmp_path):
    utterances = make_utterances(24)
    uninterrupted = run_annotate(
        utterances, "uninterrupted", store=str(tmp_path / "other-store"), shard=2, drawn_votes=2
    )
    store = tmp_path / "killed"
    process = slow_run(utterances, store, tmp_path / "out", 0.4)
    while shards(store) < 3 and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stored = shards(store)
    assert 3 <= stored < shards(tmp_path / "other-store") and not (tmp_path / "out").exists()
    out = run_annotate(utterances, store=str(store), shard=2, drawn_votes=2)
    for name in ("annotations.parquet", "votes.parquet", "checks.json"):
        assert (out / name).read_bytes() == (uninterrupted / name).read_bytes()
    # Answers that were stored before the kill were not computed again.
    assert scored_prompts() < 2 * sum(
        pl.read_parquet(f).height for f in (tmp_path / "other-store").rglob("*.parquet")
    )


def test_a_clock_that_is_set_back_changes_nothing(make_utterances, run_annotate, tmp_path, monkeypatch):
    """What a killed run wrote is from the future then, and time goes back while the next one runs."""
    utterances = make_utterances(8)
    uninterrupted = run_annotate(
        utterances, "uninterrupted", store=str(tmp_path / "other-store"), shard=2, drawn_votes=2
    )
    store = tmp_path / "killed"
    process = slow_run(utterances, store, tmp_path / "out", 0.3)
    while shards(store) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    ahead = time.time() + 400 * 24 * 3600
    for path in [store, *store.rglob("*")]:
        os.utime(path, (ahead, ahead))
    days_back, now = itertools.cycle((0, 2, 400, 20 * 365)), time.time
    monkeypatch.setattr(time, "time", lambda: now() - next(days_back) * 24 * 3600)
    out = run_annotate(utterances, store=str(store), shard=2, drawn_votes=2)
    for name in ("annotations.parquet", "votes.parquet", "checks.json"):
        assert (out / name).read_bytes() == (uninterrupted / name).read_bytes()
    assert not [path for path in tmp_path.rglob(".*") if path.suffix in (".tmp", ".old")]
    assert scored_prompts() < 2 * sum(
        pl.read_parquet(f).height for f in (tmp_path / "other-store").rglob("*.parquet")
    )


def test_two_runs_on_one_store_at_once(make_utterances, run_annotate, tmp_path):
    utterances = make_utterances(12)
    uninterrupted = run_annotate(
        utterances, "uninterrupted", store=str(tmp_path / "other-store"), shard=2, drawn_votes=2
    )
    outs = [tmp_path / "a", tmp_path / "b"]
    both = [slow_run(utterances, tmp_path / "shared", out, 0.2) for out in outs]
    assert [process.wait() for process in both] == [0, 0]
    for out in outs:
        assert (out / "annotations.parquet").read_bytes() == (
            uninterrupted / "annotations.parquet"
        ).read_bytes()
