"""Tombstones of a vote store: recordings whose answers were forgotten, and must not come back with an old shard.

A tombstone is a hash of the recording's hash. A copy of a shard that is put back, or that a worker still writes, keeps such
answers on disk, but no run reads them; ``forget_audio`` removes them.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from ambivox.models.annotation.store_files import content_name, open_files
from ambivox.models.annotation.stored_keys import INDEX
from ambivox.models.errors import UserError
from ambivox.models.json_documents import parse_json_document
from ambivox.models.object_store import is_object_url
from ambivox.models.parquet_files import read_parquet

_FOLDER = "tombstones"
_DIGESTS = TypeAdapter(list[str])


class Tombstones:
    """The tombstones of a store.

    Args:
        root: a local folder, or s3://bucket/prefix.
    """

    def __init__(self, root: str) -> None:
        self._files = open_files(f"{root.rstrip('/')}/{_FOLDER}")
        #: The files of tombstones that were read.
        self.names: set[str] = set()
        self._digests: set[str] = set()

    def have_changed(self) -> bool:
        """Read the tombstones that are new since the last call; whether there are any.

        Raises:
            UserError: a file of tombstones is damaged, or the store cannot be reached.
        """
        new = {name for name in self._files.names() if name.endswith(".json")} - self.names
        for name in new:
            content = self._files.read(name)
            if content_name(content, ".json") != name:
                raise UserError(
                    f"{_FOLDER}/{name}: this file of the vote store is damaged (its hash differs from its name); restore "
                    "it from a backup, or delete it and run `ambivox forget` again"
                )
            digests: list[str] = parse_json_document(
                content, _DIGESTS, "a list of hashes", f"{_FOLDER}/{name}"
            )
            self._digests |= set(digests)
        self.names |= new
        return bool(new)

    def without_forgotten(self, answers: pl.DataFrame) -> pl.DataFrame:
        """Leave out the answers about forgotten recordings.

        Args:
            answers: rows with the column ``audio_sha256``.
        """
        if not self._digests:
            return answers
        hashes = answers["audio_sha256"].drop_nulls().unique()
        forgotten = [each for each in hashes if _digest(each) in self._digests]
        return answers.filter(~pl.col("audio_sha256").is_in(forgotten).fill_null(value=False))

    def add(self, hashes: Collection[str]) -> None:
        """Write tombstones of recordings that have none.

        Args:
            hashes: ``audio_sha256`` of the recordings.

        Raises:
            UserError: the store cannot be reached.
        """
        self.have_changed()
        digests = sorted({_digest(each) for each in hashes} - self._digests)
        if digests:
            content = json.dumps(digests).encode()
            self._files.write(content_name(content, ".json"), content)


def forget_audio(root: str, hashes: Collection[str]) -> int:
    """Remove all answers about recordings from a store, in all its spaces.

    The tombstones are written first: after an interruption no run reads the answers, and the next call removes them.

    Args:
        root: a local folder, or s3://bucket/prefix.
        hashes: ``audio_sha256`` of the recordings.

    Returns:
        How many answers were removed.

    Raises:
        UserError: a shard cannot be read, or the store cannot be reached.
    """
    root = root.rstrip("/")
    spaces = _spaces(root)
    if not spaces or not hashes:
        return 0
    Tombstones(root).add(hashes)
    return sum(_forget_in(f"{root}/{space}", list(hashes)) for space in spaces)


def _spaces(root: str) -> list[str]:
    """The folders of a store, with or without a readable description."""
    if is_object_url(root):
        names = {name.partition("/")[0] for name in open_files(root).names() if "/" in name}
    else:
        names = {path.name for path in Path(root).glob("*") if path.is_dir()}
    return sorted(names - {_FOLDER})


def _forget_in(space: str, hashes: list[str]) -> int:
    files, removed = open_files(space), 0
    for name in files.names():
        if name.endswith(INDEX):  # it may hold keys of these recordings; the next run writes another
            files.delete(name)
    for name in sorted(name for name in files.names() if name.endswith(".parquet")):
        expected = "a shard of the vote store; delete it and run the same command again"
        shard = read_parquet(files.read(name), expected, origin=f"{space}/{name}")
        rest = shard.filter(~pl.col("audio_sha256").is_in(hashes).fill_null(value=False))
        if rest.height == shard.height:
            continue
        if rest.height:
            buffer = io.BytesIO()
            rest.write_parquet(buffer, compression="zstd")
            content = buffer.getvalue()
            files.write(content_name(content, ".parquet"), content)
        files.delete(name)
        removed += shard.height - rest.height
    return removed


def _digest(audio_sha256: str) -> str:
    return hashlib.sha256(f"forgotten {audio_sha256}".encode()).hexdigest()
