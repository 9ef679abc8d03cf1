"""Exports of which a file is a pointer of git-lfs, or damaged, are refused in one line, whatever the format."""

from __future__ import annotations

import importlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import ambivox.models.exchange
from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.output_places import MARKER
from ambivox.models.registry import find, keys
from ambivox.models.tables import Utterances, Votes

LABELS = ("anger", "joy")
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n".encode()
FORMATS = [
    key
    for key in keys(ambivox.models.exchange)
    if not ambivox.models.exchange.is_labelling_tool(find(ambivox.models.exchange, key, "format"))
]


def tables() -> LinkedTables:
    utterances = pl.DataFrame(
        {
            "utterance_id": ["u1", "u2"],
            "corpus": "test",
            "audio": ["a/u1.wav", "a/u2.wav"],
            "audio_sha256": ["0" * 64, "1" * 64],
            "duration_seconds": [1.0, 2.0],
            "sample_rate_hz": [16_000, 8_000],
            "split": ["train", "test"],
        }
    )
    rows = [("u1", "r1", "human", "anger", 1.0), ("u2", "r1", "human", "joy", 1.0)]
    votes = pl.DataFrame(rows, schema=Votes.required, orient="row")
    return LinkedTables.of(Utterances.check(utterances, LABELS), Votes.check(votes, LABELS))


def damaged(key: str, folder: Path, content: bytes) -> Iterator[tuple[Path, Path]]:
    """Exports with the content in place of one of their files each: the folder and the file."""
    module = importlib.import_module(f"ambivox.models.exchange.{key}")
    try:
        module.write(tables(), folder)
    except MissingExtraError as error:
        pytest.skip(str(error))
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.name in ("README.md", MARKER):
            continue
        before = file.read_bytes()
        file.write_bytes(content)
        yield folder, file
        file.write_bytes(before)


@pytest.mark.parametrize("key", FORMATS)
def test_a_pointer_of_git_lfs_in_an_export_is_named(key: str, tmp_path: Path) -> None:
    module = importlib.import_module(f"ambivox.models.exchange.{key}")
    number = 0
    for folder, file in damaged(key, tmp_path, POINTER):
        number += 1
        with pytest.raises(UserError, match=rf"{file.name}: a pointer of git-lfs.* run `git lfs pull`"):
            module.read(folder)
    assert number >= 2


@pytest.mark.parametrize("key", FORMATS)
@pytest.mark.parametrize("content", [b"", b"PAR1", b"\x00\xff: [", b"{}", b"- a\n- b: [\n"])
def test_a_damaged_file_of_an_export_is_one_line(key: str, content: bytes, tmp_path: Path) -> None:
    module = importlib.import_module(f"ambivox.models.exchange.{key}")
    for folder, _ in damaged(key, tmp_path, content):
        try:
            module.read(folder)
        except UserError as error:
            assert str(tmp_path) in str(error)
            assert "\n" not in str(error)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("key", FORMATS)
def test_a_pipe_or_a_device_in_an_export_is_named_and_not_waited_for(key: str, tmp_path: Path) -> None:
    module = importlib.import_module(f"ambivox.models.exchange.{key}")
    for folder, file in damaged(key, tmp_path / "export", b""):
        for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
            file.unlink()
            make(file)
            with pytest.raises(UserError) as caught:
                module.read(folder)
            assert file.name in str(caught.value) or "no data/<split>" in str(caught.value)
        file.unlink()
        file.touch()


class Touch:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("place", ["header", "pickle", "pickle elsewhere"])
def test_no_code_in_a_database_of_audformat_is_run(tmp_path: Path, place: str) -> None:
    pytest.importorskip("audformat")
    module = importlib.import_module("ambivox.models.exchange.audformat")
    folder, ran = tmp_path / "export", tmp_path / "ran"
    folder.mkdir()
    module.write(tables(), folder)
    header = (folder / "db.yaml").read_text()
    if place == "header":
        (folder / "db.yaml").write_text(f"{header}x: !!python/object/apply:os.mkdir ['{ran}']\n")
    elif place == "pickle":
        (folder / "db.votes.pkl").write_bytes(pickle.dumps(Touch(ran)))
    else:
        (tmp_path / "votes.pkl").write_bytes(pickle.dumps(Touch(ran)))
        (folder / "db.yaml").write_text(header.replace("\n  votes:", f"\n  x/../../../..{tmp_path}/votes:"))
    if place == "pickle":
        assert module.read(folder).votes.frame.height == 2
    else:
        with pytest.raises(UserError, match="not a database that Ambivox exported"):
            module.read(folder)
    assert not ran.exists()
