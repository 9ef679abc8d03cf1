"""Forgotten recordings: their answers are gone from the store, in a folder and on S3, and do not come back with an old shard."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import polars as pl
import pytest

from ambivox.models.annotation.store_files import open_files
from ambivox.models.annotation.tombstones import forget_audio
from ambivox.models.annotation.vote_store import SCHEMA, VoteStore
from ambivox.models.errors import UserError
from tests.support.s3_server import BUCKET

SPACES = ({"alm": "tiny", "engine": "fake 1"}, {"alm": "large", "engine": "fake 1"})


def answers(**audio_by_key: str) -> pl.DataFrame:
    rows = [
        {
            "key": key,
            "audio_sha256": audio,
            "prompt_sha256": "p",
            "label_mass": 0.9,
            "refused": False,
            "windows": 1,
        }
        for key, audio in audio_by_key.items()
    ]
    nulls = dict.fromkeys(("logprobs", "label", "response"))
    return pl.DataFrame([row | nulls for row in rows], schema=SCHEMA)


def all_bytes(root: str) -> bytes:
    files = open_files(root)
    folder = Path(root)
    names = (
        [str(path.relative_to(folder)) for path in folder.rglob("*.*")] if folder.is_dir() else files.names()
    )
    shards = [files.read(name) for name in names]
    return b"".join(
        str(pl.read_parquet(each).to_dicts()).encode() if each[:4] == b"PAR1" else each for each in shards
    )


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store in a folder, and on S3 over HTTP."""
    if request.param == "folder":
        return str(tmp_path / "store")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    return f"s3://{BUCKET}/{request.node.name}"


def test_answers_are_removed_from_every_space(root: str) -> None:
    for space in SPACES:
        store = VoteStore(root, space)
        store.add(answers(k1="anna", k2="boris"))
        store.add(answers(k3="anna"))
        store.add(answers(k4="boris"))
    reader = VoteStore(root, SPACES[0])
    assert reader.answers().height == 4  # and it keeps shards in memory
    assert forget_audio(root, {"anna"}) == 4
    assert b"anna" not in all_bytes(root)
    for store in (reader, *(VoteStore(root, space) for space in SPACES)):
        assert sorted(store.answers()["key"]) == ["k2", "k4"]
        keys = pl.Series(["k1", "k2", "k3", "k4"])
        assert store.stored_keys(keys).is_answered(keys).tolist() == [False, True, False, True]
    assert forget_audio(root, {"anna"}) == 0


def test_an_old_shard_brings_nothing_back(root: str) -> None:
    store = VoteStore(root, SPACES[0])
    name = store.add(answers(k1="anna", k2="boris"))
    files = open_files(store.location)
    old = files.read(name)
    forget_audio(root, {"anna"})
    files.write(name, old)  # a backup, or a worker that was slow
    assert VoteStore(root, SPACES[0]).answers()["key"].to_list() == ["k2"]
    keys = pl.Series(["k1", "k2"])
    assert VoteStore(root, SPACES[0]).stored_keys(keys).is_answered(keys).tolist() == [False, True]
    assert forget_audio(root, {"anna"}) == 1
    assert b"anna" not in all_bytes(root)


def test_an_interrupted_removal_is_completed(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = VoteStore(root, SPACES[0])
    for number in range(3):
        store.add(answers(**{f"a{number}": "anna", f"b{number}": "boris"}))
    files = type(open_files(root))
    delete, deleted = files.delete, []

    def delete_once(self: object, name: str) -> None:
        if deleted:
            raise KeyboardInterrupt
        deleted.append(name)
        delete(self, name)

    monkeypatch.setattr(files, "delete", delete_once)
    with pytest.raises(KeyboardInterrupt):
        forget_audio(root, {"anna"})
    assert sorted(VoteStore(root, SPACES[0]).answers()["key"]) == ["b0", "b1", "b2"]
    monkeypatch.undo() if root.startswith("/") else monkeypatch.setattr(files, "delete", delete)
    assert forget_audio(root, {"anna"}) == 2
    assert b"anna" not in all_bytes(root)
    assert sorted(VoteStore(root, SPACES[0]).answers()["key"]) == ["b0", "b1", "b2"]


def test_spaces_without_a_description_and_damaged_shards(tmp_path: Path) -> None:
    root = str(tmp_path)
    store = VoteStore(root, SPACES[0])
    store.add(answers(k1="anna"))
    folder = Path(store.location)
    (folder / "space.json").unlink()
    assert forget_audio(root, {"anna"}) == 1
    (folder / "damaged.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"damaged\.parquet: not a readable Parquet file"):
        forget_audio(root, {"boris"})
    shutil.rmtree(folder)
    assert forget_audio(root, {"boris"}) == 0
    assert forget_audio(str(tmp_path / "absent"), {"boris"}) == 0
    assert not (tmp_path / "absent").exists()


def test_a_damaged_tombstone_is_an_error(tmp_path: Path) -> None:
    VoteStore(str(tmp_path), SPACES[0]).add(answers(k1="anna", k2="boris"))
    forget_audio(str(tmp_path), {"anna"})
    (tombstone,) = (tmp_path / "tombstones").iterdir()
    assert hashlib.sha256(b"anna").hexdigest() not in tombstone.read_text()
    tombstone.write_text("[]")
    with pytest.raises(UserError, match="damaged"):
        VoteStore(str(tmp_path), SPACES[0]).answers()
