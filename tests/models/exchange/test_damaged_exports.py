"""Exports of which a file is a pointer of git-lfs, or damaged, are refused in one line, whatever the format."""

from __future__ import annotations

import importlib
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
