"""The vote store: the answers of ALMs in immutable, content-addressed Parquet shards, on a local disk or on S3.

A space is a folder of the store. It stands for everything that decides an answer apart from the utterance and the
question, such as ALM revision, engine version and prompt version. The hash of these values is its name; space.json
lists them. A shard is named by the hash of its bytes and never changes. So several runs can write at the same time, a
run that is killed loses only the shard that it was computing, and a damaged shard is detected.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.annotation.store_files import open_files
from ambivox.models.annotation.tombstones import Tombstones
from ambivox.models.errors import UserError
from ambivox.models.object_store import is_object_url

# The file in each space's folder that says what decides its answers.
DESCRIPTION = "space.json"
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
        self._files = open_files(self.location)
        self._tombstones = Tombstones(root)
        self._shards: dict[str, pl.DataFrame] = {}
        self._has_description = False

    def answers(self) -> pl.DataFrame:
        """All answers in the space, including those of other runs.

        Shards are cached in memory, because they never change.

        Returns:
            One row per key (SCHEMA).

        Raises:
            UserError: a shard is damaged or the store cannot be reached.
        """
        # Concurrent runs may answer a key twice; the order of the shard names decides, not the order of writing.
        return pl.concat(self._read()).unique("key", keep="first", maintain_order=True)

    def answered(self, keys: pl.Series) -> pl.Series:
        """The keys that have an answer in the space.

        Args:
            keys: keys of work items.

        Returns:
            A subset of ``keys``, in any order, possibly with repetitions.

        Raises:
            UserError: a shard is damaged or the store cannot be reached.
        """
        stored = pl.concat([shard.select("key") for shard in self._read()], rechunk=False)
        return stored["key"].filter(stored["key"].is_in(keys.implode()))

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
        name = f"{hashlib.sha256(content).hexdigest()}.parquet"
        self.describe()
        self._files.write(name, content)
        return name

    def describe(self) -> None:
        """Write down what decides the answers in this space, once.

        Raises:
            UserError: the store cannot be reached.
        """
        if not self._has_description:
            self._files.write(DESCRIPTION, json.dumps(self.space, indent=2, sort_keys=True).encode())
            self._has_description = True

    def _read(self) -> list[pl.DataFrame]:
        """All shards in the order of their names, after an empty one; without what was forgotten."""
        if self._tombstones.have_changed():
            self._shards.clear()
        names = sorted(name for name in self._files.names() if name.endswith(".parquet"))
        for name in names:
            if name not in self._shards:
                self._shards[name] = self._load(name)
        return [pl.DataFrame(schema=SCHEMA), *(self._shards[name] for name in names)]

    def _load(self, name: str) -> pl.DataFrame:
        content = self._files.read(name)
        if f"{hashlib.sha256(content).hexdigest()}.parquet" != name:
            raise UserError(
                f"{self.location}/{name}: this shard of the vote store is damaged (its hash differs from its name); "
                "delete it and run the same command again to recompute its answers"
            )
        shard = pl.read_parquet(io.BytesIO(content))
        # Shards that were written before the last columns were added lack them.
        later = [
            pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in shard.columns
        ]
        return self._tombstones.without_forgotten(shard.with_columns(later).select(list(SCHEMA)))


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
