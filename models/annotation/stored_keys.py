"""Which keys of a run have an answer in a space of the vote store, and the index that spares a run from reading every shard.

An index is a file beside the shards: the keys of some shards, the names of these shards, and those of the tombstones that
were known. It is named by the hash of its bytes and never changes. It only saves work: one that is damaged, or names
a shard that is gone, or knows other tombstones, is not used, and its shards are read instead. A run that had to read
many shards writes an index of them, together with the small ones that exist, and deletes those that it replaces.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Protocol

import numpy as np
import polars as pl

from ambivox.models.annotation.store_files import Files, content_name
from ambivox.models.errors import UserError
from ambivox.models.parallel import in_parallel
from ambivox.models.tables.row_lookup import RowLookup

SHARD, INDEX = ".parquet", ".index"
THREADS = 8  # that read files of the store
_SHARDS_WITHOUT_INDEX = 32  # read by a run before it writes an index of them
_INDEX_KEYS = 1_000_000  # of an index; smaller ones are joined, so that few files are read


class Shards(Protocol):
    """What the keys are read from."""

    @property
    def files(self) -> Files:
        """The files of the space."""

    def tombstones(self) -> frozenset[str]:
        """The names of the tombstones that are known."""

    def keys(self, name: str) -> pl.Series:
        """The keys of a shard, without those of forgotten recordings."""


@dataclass(frozen=True)
class _Index:
    """The keys of some shards."""

    keys: pl.Series
    shards: frozenset[str]
    tombstones: frozenset[str]


class StoredKeys:
    """Which of N keys have an answer; every shard and index is read once, and new ones when asked again.

    Args:
        shards: the shards of a space.
        keys: N distinct keys.
    """

    def __init__(self, shards: Shards, keys: pl.Series) -> None:
        self._shards = shards
        self._lookup = RowLookup(keys)
        self._is_answered_N = np.zeros(len(keys), dtype=bool)
        self._known: frozenset[str] = frozenset()
        self._tombstones: frozenset[str] = frozenset()
        self._lock = Lock()

    def is_answered(self, keys: pl.Series) -> np.ndarray:
        """Whether keys have an answer now.

        Args:
            keys: some of the N keys, M of them.

        Returns:
            ``is_answered_M``.

        Raises:
            UserError: a shard is damaged or the store cannot be reached.
        """
        with self._lock:
            self._refresh()
            is_answered_M: np.ndarray = self._is_answered_N[self._lookup.rows(keys)]
        return is_answered_M

    def _refresh(self) -> None:
        """Mark the keys of the files that are new; all anew where a shard is gone or a tombstone is new."""
        names = self._shards.files.names()
        shards = frozenset(name for name in names if name.endswith(SHARD))
        tombstones = self._shards.tombstones()
        if tombstones != self._tombstones or not self._known <= shards:
            self._is_answered_N[:] = False
            self._known, self._tombstones = frozenset(), tombstones
        is_first = not self._known
        joined, replaced = self._read_indices(names, shards) if is_first else ([], [])
        unread = sorted(shards - self._known)
        without_index: dict[str, pl.Series] = {}
        count = 0
        for name, keys in zip(unread, self._read(unread), strict=True):
            self._mark(keys)
            if not is_first:
                continue
            without_index[name] = keys
            count += len(keys)
            if len(without_index) >= _SHARDS_WITHOUT_INDEX and count >= _INDEX_KEYS:
                self._write(without_index, joined, replaced)
                without_index, joined, replaced, count = {}, [], [], 0
        self._known |= frozenset(unread)
        if len(without_index) >= _SHARDS_WITHOUT_INDEX:
            self._write(without_index, joined, replaced)

    def _read_indices(self, names: list[str], shards: frozenset[str]) -> tuple[list[_Index], list[str]]:
        """Mark the keys of the indices; returns the small ones, and the names of these and of those that are unusable."""
        small, replaced = [], []
        indices = sorted(name for name in names if name.endswith(INDEX))
        for name in indices:
            index = _load(self._shards.files, name)
            if index is None or not index.shards <= shards or index.tombstones != self._tombstones:
                replaced.append(name)
                continue
            self._mark(index.keys)
            self._known |= index.shards
            if len(index.keys) < _INDEX_KEYS // 2:
                small.append(index)
                replaced.append(name)
        return small, replaced

    def _mark(self, keys: pl.Series) -> None:
        row_M = self._lookup.rows(keys)
        self._is_answered_N[row_M[row_M >= 0]] = True

    def _read(self, names: list[str]) -> Iterator[pl.Series]:
        return in_parallel((partial(self._shards.keys, name) for name in names), THREADS)

    def _write(self, shards: dict[str, pl.Series], joined: list[_Index], replaced: list[str]) -> None:
        """Write an index of shards and of other indices, and delete those that it replaces."""
        keys = pl.concat([*(index.keys for index in joined), *shards.values()]).unique().sort()
        names = frozenset(shards).union(*(index.shards for index in joined))
        buffer = io.BytesIO()
        metadata = {"shards": json.dumps(sorted(names)), "tombstones": json.dumps(sorted(self._tombstones))}
        keys.to_frame("key").write_parquet(buffer, compression="zstd", metadata=metadata)
        content = buffer.getvalue()
        # A store that cannot be written can still be read. A damaged index may have the name of the new one.
        with contextlib.suppress(OSError, UserError):
            for name in replaced:
                self._shards.files.delete(name)
            self._shards.files.write(content_name(content, INDEX), content)


def _load(files: Files, name: str) -> _Index | None:
    """An index; None where it is damaged, or was replaced by another run."""
    try:
        content = files.read(name)
    except (OSError, UserError):
        return None
    if content_name(content, INDEX) != name:
        return None
    metadata = pl.read_parquet_metadata(io.BytesIO(content))
    shards, tombstones = (frozenset(json.loads(metadata[part])) for part in ("shards", "tombstones"))
    return _Index(pl.read_parquet(io.BytesIO(content))["key"], shards, tombstones)
