"""annotate on a store behind an S3 endpoint that refuses, dawdles and breaks off in mid-run, then returns."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.engines import EngineChoice, open_engine
from ambivox.models.engines.fake import FakeEngine
from ambivox.models.errors import UserError
from tests.support.s3_server import BUCKET, FlakyS3, Trouble
from tests.support.steps import annotate

pytestmark = pytest.mark.server
TABLES = ("annotations.parquet", "votes.parquet", "checks.json")


@pytest.fixture(autouse=True)
def fresh_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ambivox.models.engines._started", {})


def asked() -> int:
    engine = open_engine(EngineChoice("fake", "qwen2_audio"))
    assert isinstance(engine, FakeEngine)
    return engine.scored


@pytest.fixture
def run(make_utterances, tmp_path: Path):
    """``run(name, store)`` annotates twelve clips in shards of two."""
    utterances = make_utterances(12)

    def call(name: str, store: str) -> Path:
        return annotate(
            utterances=utterances, alm="qwen2_audio", engine="fake", shard=2, store=store, out=tmp_path / name
        )

    return call


def shards(url: str) -> list[str]:
    import boto3

    pages = boto3.client("s3", endpoint_url=url).get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return sorted(
        found["Key"].rpartition("/")[2]
        for page in pages
        for found in page.get("Contents", [])
        if found["Key"].endswith(".parquet")
    )


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in TABLES)


def test_refusals_delays_and_cut_answers_are_outlasted(
    run, flaky_s3: FlakyS3, s3: str, tmp_path: Path
) -> None:
    whole = run("whole", str(tmp_path / "store"))
    needed = asked()
    often: dict[int, Trouble] = {
        6: "503",
        7: "503",
        9: "slow",
        12: "cut",
        15: "503",
        18: "cut",
        20: "cut",
        21: "slow",
    }
    flaky_s3.trouble = lambda number: often.get(number, "")
    out = run("out", f"s3://{BUCKET}/votes")
    assert set(often.values()) <= set(flaky_s3.seen)
    assert max(often) <= len(flaky_s3.seen)
    assert same(out, whole)
    assert asked() == 2 * needed  # nothing was computed twice
    assert shards(s3) == sorted(path.name for path in (tmp_path / "store").rglob("*.parquet"))


def test_an_endpoint_that_stays_away_ends_the_run_plainly_and_the_next_goes_on(
    run, flaky_s3: FlakyS3, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("whole", str(tmp_path / "store"))
    needed = asked()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    flaky_s3.trouble = lambda number: "503" if number > 10 else ""
    with pytest.raises(
        UserError,
        match=r"s3://ambivox/votes/\w+: the vote store cannot be reached .*SlowDown.*the same command resumes",
    ):
        run("out", f"s3://{BUCKET}/votes")
    assert not (tmp_path / "out").exists()
    stored = shards(s3)
    assert stored
    before = asked()
    flaky_s3.trouble = lambda _: ""
    assert same(run("out", f"s3://{BUCKET}/votes"), whole)
    assert asked() - before < needed
    assert set(stored) <= set(shards(s3))
