"""annotate on a store behind an S3 endpoint that fails during the run: errors, delays, broken connections, an outage."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from tests.support.annotation_runs import scored_prompts
from tests.support.s3_server import BUCKET, FlakyS3, Trouble

pytestmark = pytest.mark.server
TABLES = ("annotations.parquet", "votes.parquet", "checks.json")


@pytest.fixture
def run(make_utterances, run_annotate):
    """``run(name, store)`` annotates twelve clips in shards of two."""
    utterances = make_utterances(12)
    return lambda name, store: run_annotate(utterances, name, shard=2, store=store)


def shards(url: str) -> list[str]:
    import boto3

    pages = boto3.client("s3", endpoint_url=url).get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return sorted(
        entry["Key"].rpartition("/")[2]
        for page in pages
        for entry in page.get("Contents", [])
        if entry["Key"].endswith(".parquet")
    )


def have_equal_tables(left: Path, right: Path) -> bool:
    return all((left / name).read_bytes() == (right / name).read_bytes() for name in TABLES)


def test_errors_delays_and_broken_connections_are_retried(
    run, flaky_s3: FlakyS3, s3: str, tmp_path: Path
) -> None:
    uninterrupted = run("uninterrupted", str(tmp_path / "store"))
    needed = scored_prompts()
    troubles: dict[int, Trouble] = {
        6: "503",
        7: "503",
        9: "slow",
        12: "cut",
        15: "503",
        18: "cut",
        20: "cut",
        21: "slow",
    }
    flaky_s3.trouble = lambda number: troubles.get(number, "")
    out = run("out", f"s3://{BUCKET}/votes")
    assert set(troubles.values()) <= set(flaky_s3.seen)
    assert max(troubles) <= len(flaky_s3.seen)
    assert have_equal_tables(out, uninterrupted)
    assert scored_prompts() == 2 * needed  # nothing was computed twice
    assert shards(s3) == sorted(path.name for path in (tmp_path / "store").rglob("*.parquet"))


def test_an_outage_ends_the_run_with_one_line_and_the_next_run_resumes(
    run, flaky_s3: FlakyS3, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted = run("uninterrupted", str(tmp_path / "store"))
    needed = scored_prompts()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    flaky_s3.trouble = lambda number: "503" if number > 15 else ""
    with pytest.raises(
        UserError,
        match=r"s3://ambivox/votes/\w+: the vote store cannot be reached .*SlowDown.*the same command resumes",
    ):
        run("out", f"s3://{BUCKET}/votes")
    assert not (tmp_path / "out").exists()
    stored = shards(s3)
    assert stored
    before = scored_prompts()
    flaky_s3.trouble = lambda _: ""
    assert have_equal_tables(run("out", f"s3://{BUCKET}/votes"), uninterrupted)
    assert scored_prompts() - before < needed
    assert set(stored) <= set(shards(s3))
