"""The vote store in a folder and on S3: immutable shards, concurrent writers, damaged shards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.annotation.vote_store import SCHEMA, VoteStore
from ambivox.models.errors import UserError
from tests.support.s3_server import BUCKET

SPACE = {"alm": "tiny", "revision": "r1", "engine": "fake 1"}


def answers(*keys: str, mass: float = 0.9) -> pl.DataFrame:
    rows = [
        {
            "key": key,
            "audio_sha256": "a",
            "prompt_sha256": "p",
            "logprobs": [-0.5, -0.9],
            "label_mass": mass,
            "label": None,
            "response": None,
            "refused": False,
            "windows": 1,
        }
        for key in keys
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store in a folder, and on S3 over HTTP."""
    if request.param == "folder":
        return str(tmp_path / "store")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    return f"s3://{BUCKET}/some/prefix"


def test_what_is_added_is_found_again_by_another_reader(root):
    VoteStore(root, SPACE).add(answers("k1", "k2"))
    VoteStore(root, SPACE).add(answers("k3"))
    stored = VoteStore(root, SPACE).answers()
    assert sorted(stored["key"]) == ["k1", "k2", "k3"]
    assert stored.schema == SCHEMA


def test_an_empty_store_and_an_empty_shard(root):
    store = VoteStore(root, SPACE)
    assert store.answers().height == 0
    assert store.add(answers()) == ""
    assert store.answers().height == 0


def test_spaces_do_not_see_each_other(root):
    VoteStore(root, SPACE).add(answers("k1"))
    assert VoteStore(root, SPACE | {"revision": "r2"}).answers().height == 0


def test_equal_answers_are_one_shard(root):
    names = {VoteStore(root, SPACE).add(answers("b", "a")), VoteStore(root, SPACE).add(answers("a", "b"))}
    assert len(names) == 1


def test_of_two_answers_to_a_key_the_same_one_counts_in_every_order(root):
    first, second = answers("k", mass=0.5), answers("k", mass=0.6)
    VoteStore(root, SPACE).add(first)
    VoteStore(root, SPACE).add(second)
    answer = VoteStore(root, SPACE).answers()
    assert answer.height == 1
    other = f"{root}-other"
    VoteStore(other, SPACE).add(second)
    VoteStore(other, SPACE).add(first)
    assert VoteStore(other, SPACE).answers().equals(answer)


def test_many_writers_at_once(root):
    def write(writer: int) -> None:
        store = VoteStore(root, SPACE)
        for number in range(5):
            store.add(answers(f"{writer}-{number}", f"shared-{number}"))
            store.answers()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert VoteStore(root, SPACE).answers().height == 4 * 5 + 5


def test_a_shard_never_changes(tmp_path: Path):
    store = VoteStore(str(tmp_path), SPACE)
    shard = tmp_path / store.name / store.add(answers("k"))
    before = shard.stat().st_mtime_ns
    store.add(answers("k"))
    assert shard.stat().st_mtime_ns == before


def test_a_damaged_shard_is_named(tmp_path: Path):
    store = VoteStore(str(tmp_path), SPACE)
    shard = tmp_path / store.name / store.add(answers("k"))
    shard.write_bytes(shard.read_bytes()[:-7])
    with pytest.raises(UserError, match=shard.name):
        VoteStore(str(tmp_path), SPACE).answers()


def test_what_a_killed_writer_leaves_is_not_read(tmp_path: Path):
    store = VoteStore(str(tmp_path), SPACE)
    name = store.add(answers("k"))
    (tmp_path / store.name / f".{name}.x.tmp").write_bytes(b"half a shard")
    assert VoteStore(str(tmp_path), SPACE).answers().height == 1


def test_the_space_is_described_in_a_file(tmp_path: Path):
    store = VoteStore(str(tmp_path), SPACE)
    store.add(answers("k"))
    assert '"revision": "r1"' in (tmp_path / store.name / "space.json").read_text()
