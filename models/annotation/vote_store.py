"""The vote store: what ALMs have answered, in immutable content-addressed Parquet shards, local or on S3.

A space is one folder of the store: everything that decides an answer beside the clip and the question (ALM
revision, engine version, prompt version, elicitation). Its name is the hash of that; space.json says it in
words. A shard is named by the hash of its bytes and never changes, so two runs may write at once, a run that
is killed loses only the shard it was computing, and a shard that is damaged is noticed.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path
from ambivox.models.object_store import (
    ObjectStoreError,
    is_object_url,
    list_objects,
    read_object,
    write_object,
)

SCHEMA = pl.Schema(
    {
        "key": pl.String(),
        "audio_sha256": pl.String(),
        "prompt_sha256": pl.String(),
        "logprobs": pl.List(pl.Float64()),
        "label_mass": pl.Float64(),
        "label": pl.String(),
        "response": pl.String(),
        "refused": pl.Boolean(),
        "windows": pl.Int64(),
    }
)


class _Files(Protocol):
    def names(self) -> list[str]: ...
    def read(self, name: str) -> bytes: ...
    def write(self, name: str, content: bytes) -> None: ...


class VoteStore:
    """One space of a store.

    Args:
        root: a local folder, or s3://bucket/prefix (endpoint from AWS_ENDPOINT_URL where set).
        space: what decides the answers in it; equal mappings are the same space.
    """

    def __init__(self, root: str, space: Mapping[str, Any]) -> None:
        self.space = dict(space)
        described = json.dumps(self.space, sort_keys=True)
        self.name = hashlib.sha256(described.encode()).hexdigest()[:16]
        self.location = f"{root.rstrip('/')}/{self.name}"
        self._files: _Files = _Objects(self.location) if is_object_url(root) else _Local(Path(self.location))
        self._shards: dict[str, pl.DataFrame] = {}
        self._described = False

    def answers(self) -> pl.DataFrame:
        """All answers stored here, one row a key (SCHEMA), those of other runs too.

        Shards read once are kept: they never change.

        Raises:
            UserError: a shard is damaged; the message says which.
        """
        # Two runs at once may both have answered a key; which answer counts must not depend on who was first.
        return pl.concat(self._read()).unique("key", keep="first", maintain_order=True)

    def answered(self, keys: pl.Series) -> pl.Series:
        """Those of ``keys`` that have an answer here, in any order, some perhaps twice.

        Raises:
            UserError: a shard is damaged; the message says which.
        """
        stored = pl.concat([shard.select("key") for shard in self._read()], rechunk=False)
        return stored["key"].filter(stored["key"].is_in(keys.implode()))

    def add(self, answers: pl.DataFrame) -> str:
        """Store answers (SCHEMA) as one shard and return its name; nothing is written for no answers."""
        if not answers.height:
            return ""
        buffer = io.BytesIO()
        answers.select(list(SCHEMA)).cast(SCHEMA).sort("key").write_parquet(buffer, compression="zstd")
        content = buffer.getvalue()
        name = f"{hashlib.sha256(content).hexdigest()}.parquet"
        if not self._described:
            self._files.write("space.json", json.dumps(self.space, indent=2, sort_keys=True).encode())
            self._described = True
        self._files.write(name, content)
        return name

    def _read(self) -> list[pl.DataFrame]:
        """All shards in the order of their names; those read before are not read again."""
        names = sorted(name for name in self._files.names() if name.endswith(".parquet"))
        for name in names:
            if name not in self._shards:
                self._shards[name] = self._load(name)
        return [pl.DataFrame(schema=SCHEMA), *(self._shards[name] for name in names)]

    def _load(self, name: str) -> pl.DataFrame:
        content = self._files.read(name)
        if f"{hashlib.sha256(content).hexdigest()}.parquet" != name:
            raise UserError(
                f"{self.location}/{name}: this shard of the vote store is damaged (its content does not match "
                "its name); delete it and run again: its answers will be computed anew"
            )
        return pl.read_parquet(io.BytesIO(content)).select(list(SCHEMA))


class _Local:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [file.name for file in self._folder.iterdir() if not file.name.startswith(".")]

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        if not path.exists():
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)


class _Objects:
    """A prefix of a bucket."""

    def __init__(self, location: str) -> None:
        self._location = location

    def names(self) -> list[str]:
        prefix = f"{self._location}/"
        with self._explained():
            return [entry.url.removeprefix(prefix) for entry in list_objects(prefix)]

    def read(self, name: str) -> bytes:
        with self._explained():
            return read_object(f"{self._location}/{name}")

    def write(self, name: str, content: bytes) -> None:
        with self._explained():
            write_object(f"{self._location}/{name}", content)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (ObjectStoreError, FileNotFoundError, PermissionError) as error:
            raise UserError(
                f"{self._location}: the vote store cannot be reached ({error}); what is stored stays, and once it "
                "answers the same command resumes"
            ) from error
