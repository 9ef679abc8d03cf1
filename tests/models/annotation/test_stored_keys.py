"""Which keys are answered, with and without an index, with two writers, damaged indices, and forgotten recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambivox.models.annotation import stored_keys
from ambivox.models.annotation.store_files import open_files
from ambivox.models.annotation.stored_keys import INDEX, SHARD
from ambivox.models.annotation.tombstones import forget_audio
from ambivox.models.annotation.vote_store import VoteStore
from tests.models.annotation.test_tombstones import answers
from tests.support.s3_server import BUCKET

SPACE = {"alm": "tiny", "engine": "fake 1"}


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store in a folder, and on S3 over HTTP; an index is written for four shards or more."""
    monkeypatch.setattr(stored_keys, "_SHARDS_WITHOUT_INDEX", 4)
    if request.param == "folder":
        return str(tmp_path / "store")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    return f"s3://{BUCKET}/{request.node.name}"


def fill(root: str, numbers: range) -> VoteStore:
    store = VoteStore(root, SPACE)
    for number in numbers:
        store.add(answers(**{f"k{number}-{part}": f"audio {number}" for part in range(3)}))
    return store


def answered(root: str, *numbers: int) -> list[bool]:
    keys = pl.Series([f"k{number}-{part}" for number in numbers for part in range(3)])
    is_answered_NP = VoteStore(root, SPACE).stored_keys(keys).is_answered(keys).reshape(-1, 3)
    assert (is_answered_NP == is_answered_NP[:, :1]).all()
    return list(is_answered_NP[:, 0].tolist())


def names(root: str, kind: str) -> list[str]:
    return sorted(name for name in VoteStore(root, SPACE).files.names() if name.endswith(kind))


def reads(monkeypatch: pytest.MonkeyPatch, root: str) -> list[str]:
    """The names of the files that are read from now on."""
    files, read_names = type(open_files(root)), []
    read = files.read

    def recorded(self: object, name: str) -> bytes:
        read_names.append(name)
        return read(self, name)

    monkeypatch.setattr(files, "read", recorded)
    return read_names


def test_an_index_spares_reading_the_shards(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, range(5))
    assert answered(root, 0, 4, 5) == [True, True, False]
    (index,) = names(root, INDEX)
    read_names = reads(monkeypatch, root)
    assert answered(root, 0, 4, 5) == [True, True, False]
    assert read_names == [index]
    fill(root, range(5, 7))
    read_names.clear()
    assert answered(root, 0, 4, 5, 6, 7) == [True, True, True, True, False]
    assert len(read_names) == 3 and index in read_names
    assert names(root, INDEX) == [index]


def test_small_indices_are_joined_and_large_ones_stay(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, range(4))
    answered(root, 0)
    (first,) = names(root, INDEX)
    fill(root, range(4, 8))
    answered(root, 0)
    (second,) = names(root, INDEX)
    assert first != second
    monkeypatch.setattr(stored_keys, "_INDEX_KEYS", 20)
    fill(root, range(8, 12))
    answered(root, 0)
    assert len(names(root, INDEX)) == 2 and second in names(root, INDEX)
    read_names = reads(monkeypatch, root)
    assert answered(root, *range(13)) == [True] * 12 + [False]
    assert sorted(read_names) == names(root, INDEX)


def test_many_shards_are_indexed_in_parts(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_keys, "_INDEX_KEYS", 12)
    fill(root, range(11))
    assert answered(root, *range(12)) == [True] * 11 + [False]
    assert len(names(root, INDEX)) == 2  # of four shards each; three are read
    assert answered(root, *range(12)) == [True] * 11 + [False]


def test_a_reader_sees_what_others_add(root: str) -> None:
    keys = pl.Series(["k0-0", "k1-0", "k2-0"])
    reader = VoteStore(root, SPACE).stored_keys(keys)
    assert not reader.is_answered(keys).any()
    first, second = fill(root, range(1)), fill(root, range(1, 1))
    assert reader.is_answered(keys).tolist() == [True, False, False]
    second.add(answers(**{"k1-0": "audio 1"}))
    first.add(answers(**{"k1-0": "audio 1", "k2-0": "audio 2"}))
    assert reader.is_answered(keys[::-1]).tolist() == [True, True, True]


@pytest.mark.parametrize("damage", [b"", b"PAR1 nothing"])
def test_a_damaged_index_is_not_used(root: str, damage: bytes) -> None:
    store = fill(root, range(4))
    answered(root, 0)
    (index,) = names(root, INDEX)
    store.files.delete(index)
    store.files.write(index, damage)
    assert answered(root, 0, 3, 4) == [True, True, False]
    (other,) = names(root, INDEX)
    store.files.delete(other)
    assert answered(root, 0, 3, 4) == [True, True, False]


def test_a_shard_that_was_deleted_is_not_answered_by_an_index(root: str) -> None:
    store = fill(root, range(5))
    keys = pl.Series([f"k{number}-0" for number in range(5)])
    reader = store.stored_keys(keys)
    assert reader.is_answered(keys).all()
    assert names(root, INDEX)
    store.files.delete(names(root, SHARD)[2])
    assert np.count_nonzero(~reader.is_answered(keys)) == 1
    assert answered(root, *range(5)).count(False) == 1


def test_forgotten_answers_do_not_come_back_with_an_index(root: str) -> None:
    store = fill(root, range(5))
    answered(root, 0)
    (index,) = names(root, INDEX)
    content = store.files.read(index)
    assert forget_audio(root, {"audio 3"}) == 3
    assert names(root, INDEX) == []
    store.files.write(index, content)  # from a backup
    assert answered(root, *range(5)) == [True, True, True, False, True]


def test_a_store_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_keys, "_SHARDS_WITHOUT_INDEX", 4)
    root = str(tmp_path)
    store = fill(root, range(5))

    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(type(store.files), "write", refuse)
    assert answered(root, 0, 5) == [True, False]
    assert names(root, INDEX) == []


def test_only_the_answers_of_a_run_are_kept(root: str) -> None:
    store = fill(root, range(6))
    selected = store.answers(pl.Series(["k2-1", "k5-0", "absent"]))
    assert sorted(selected["key"]) == ["k2-1", "k5-0"]
    assert selected.sort("key").equals(
        store.answers().filter(pl.col("key").is_in(["k2-1", "k5-0"])).sort("key")
    )
