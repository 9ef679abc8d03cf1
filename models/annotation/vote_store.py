"""The vote store: the answers of ALMs in immutable, content-addressed Parquet shards, on a local disk or on S3.

A space is a folder of the store. It stands for everything that decides an answer apart from the utterance and the
question, such as ALM revision, engine version and prompt version. The hash of these values is its name; space.json
lists them. A shard is named by the hash of its bytes and never changes. So several runs can write at the same time, a
run that is killed loses only the shard that it was computing, and a damaged shard is detected. Beside many shards are
indices of their keys (stored_keys.py).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import polars as pl

from ambivox.models.annotation.store_files import content_name, open_files
from ambivox.models.annotation.stored_keys import SHARD, THREADS, StoredKeys
from ambivox.models.annotation.tombstones import Tombstones
from ambivox.models.errors import UserError
from ambivox.models.object_store import is_object_url
from ambivox.models.parallel import in_parallel
from ambivox.models.parquet_files import read_parquet, reading
from ambivox.models.tables.row_lookup import RowLookup

# The file in each space's folder that says what decides its answers.
DESCRIPTION = "space.json"
_KEPT_BYTES = 2**26  # of shards, in memory
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
        "answered_by": pl.String(),
    }
)


class VoteStore:
    """One space of a store.

    Args:
        root: a local folder, or s3://bucket/prefix (with the endpoint AWS_ENDPOINT_URL where it is set).
        space: what decides the answers in it; equal mappings are the same space.
    """

    def __init__(self, root: str, space: Mapping[str, Any]) -> None:
        self.space = dict(space)
        canonical = json.dumps(self.space, sort_keys=True)
        self.name = hashlib.sha256(canonical.encode()).hexdigest()[:16]
        self.location = f"{root.rstrip('/')}/{self.name}"
        self.files = open_files(self.location)
        self._tombstones = Tombstones(root)
        self._kept: dict[str, bytes] = {}
        self._room = _KEPT_BYTES
        self._lock = Lock()
        self._has_description = False

    def answers(self, keys: pl.Series | None = None) -> pl.DataFrame:
        """The answers in the space, including those of other runs.

        Args:
            keys: distinct keys of the answers to return, so that the memory is theirs; None for all.

        Returns:
            One row per key (SCHEMA).

        Raises:
            UserError: a shard is damaged or the store cannot be reached.
        """
        self._tombstones.have_changed()
        names = sorted(name for name in self.files.names() if name.endswith(SHARD))
        lookup = None if keys is None else RowLookup(keys)

        def load(name: str) -> pl.DataFrame:
            shard = self._load(name, list(SCHEMA))
            return shard if lookup is None else shard.filter(pl.Series(lookup.rows(shard["key"]) >= 0))

        shards = in_parallel((partial(load, name) for name in names), THREADS)
        # Concurrent runs may answer a key twice; the order of the shard names decides, not the order of writing.
        stored = pl.concat([pl.DataFrame(schema=SCHEMA), *shards])
        return stored.unique("key", keep="first", maintain_order=True)

    def stored_keys(self, keys: pl.Series) -> StoredKeys:
        """What tells which keys have an answer in the space.

        Args:
            keys: distinct keys of work items.
        """
        return StoredKeys(self, keys)

    def tombstones(self) -> frozenset[str]:
        """The names of the tombstones that are known; new ones are read.

        Raises:
            UserError: a file of tombstones is damaged, or the store cannot be reached.
        """
        self._tombstones.have_changed()
        return frozenset(self._tombstones.names)

    def keys(self, name: str) -> pl.Series:
        """The keys of a shard, without those of forgotten recordings.

        Args:
            name: of the shard.

        Raises:
            UserError: the shard is damaged or the store cannot be reached.
        """
        return self._load(name, ["key", "audio_sha256"])["key"]

    def add(self, answers: pl.DataFrame) -> str:
        """Store answers as one shard.

        Args:
            answers: rows of SCHEMA.

        Returns:
            The file name of the shard; "" for no answers, in which case nothing is written.

        Raises:
            UserError: the store cannot be reached.
        """
        if not answers.height:
            return ""
        buffer = io.BytesIO()
        answers.select(list(SCHEMA)).cast(SCHEMA).sort("key").write_parquet(buffer, compression="zstd")
        content = buffer.getvalue()
        name = content_name(content, SHARD)
        self.describe()
        self.files.write(name, content)
        return name

    def describe(self) -> None:
        """Write down what decides the answers in this space, once.

        Raises:
            UserError: the store cannot be reached.
        """
        if not self._has_description:
            self.files.write(DESCRIPTION, json.dumps(self.space, indent=2, sort_keys=True).encode())
            self._has_description = True

    def _load(self, name: str, columns: list[str]) -> pl.DataFrame:
        content = self._content(name)
        if content_name(content, SHARD) != name:
            raise UserError(
                f"{self.location}/{name}: this shard of the vote store is damaged (its hash differs from its name); "
                "delete it and run the same command again to recompute its answers"
            )
        expected, origin = "a shard of the vote store", f"{self.location}/{name}"
        with reading(origin, expected):
            stored = pl.read_parquet_schema(io.BytesIO(content))
        present = [column for column in columns if column in stored]
        shard = read_parquet(content, expected, origin=origin, columns=present)
        # Shards that were written before the last columns were added lack them.
        later = [pl.lit(None, SCHEMA[column]).alias(column) for column in columns if column not in stored]
        return self._tombstones.without_forgotten(shard.with_columns(later).select(columns))

    def _content(self, name: str) -> bytes:
        """The content of a shard; the first ones are kept, so that a small store is read once."""
        content = self._kept.get(name)
        if content is None:
            content = self.files.read(name)
            with self._lock:
                if name not in self._kept and len(content) <= self._room:
                    self._kept[name] = content
                    self._room -= len(content)
        return content


def descriptions(root: str) -> Iterator[bytes]:
    """The content of space.json of every space in a store, in the order of their names.

    Args:
        root: a local folder, or s3://bucket/prefix.

    Raises:
        UserError: the store cannot be reached.
    """
    if is_object_url(root):
        objects = open_files(root.rstrip("/"))
        names = sorted(name for name in objects.names() if name.endswith(f"/{DESCRIPTION}"))
        yield from (objects.read(name) for name in names)
    else:
        yield from (path.read_bytes() for path in sorted(Path(root).glob(f"*/{DESCRIPTION}")))
