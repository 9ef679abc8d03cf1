"""The row numbers of many ids: a table of hashes that takes 20 bytes per id, and is searched a block of ids at a time.

A join would build a hash table of the ids' text for every block. This one is built once: the ids' 64-bit hashes in
order, with the position at which each range of hashes begins. Equal hashes are confirmed by comparing the ids, so that
the result is exact.
"""

from __future__ import annotations

import numpy as np
import polars as pl

_SEEDS = range(8)  # of the hash; the next one is tried where two ids have the same hash
_HASH_BITS = 64


class RowLookup:
    """Finds ids among N distinct ones.

    Args:
        ids: N distinct ids; kept, and not copied.

    Raises:
        ValueError: an id occurs twice, or is null.
    """

    def __init__(self, ids: pl.Series) -> None:
        self._ids = ids
        for self._seed in _SEEDS:
            hash_N = ids.hash(self._seed).to_numpy()
            order_N = np.argsort(hash_N)
            self._hash_N = hash_N[order_N]
            if not (self._hash_N[1:] == self._hash_N[:-1]).any():
                break
        else:
            raise ValueError(f"{len(ids)} ids are not distinct")
        if ids.null_count():
            raise ValueError("an id is null")
        self._row_N = order_N.astype(np.uint32 if len(ids) < 2**32 else np.uint64)
        # Ranges of hashes with one to two ids each.
        bits = max(1, len(ids).bit_length() - 1)
        self._shift = np.uint64(_HASH_BITS - bits)
        counts = np.bincount((self._hash_N >> self._shift).astype(np.int64), minlength=2**bits)
        self._starts = np.concatenate([[0], np.cumsum(counts[:-1])]).astype(self._row_N.dtype)

    def rows(self, ids: pl.Series) -> np.ndarray:
        """The row of each id.

        Args:
            ids: M ids, in any order and number.

        Returns:
            ``row_M``, int64; -1 for an id that is not among the N.

        Examples:
            >>> RowLookup(pl.Series(["a", "b", "c"])).rows(pl.Series(["c", "x", "a", "c"])).tolist()
            [2, -1, 0, 2]
        """
        last = len(self._ids) - 1
        if last < 0 or not len(ids):
            return np.full(len(ids), -1, dtype=np.int64)
        hash_M = ids.hash(self._seed).to_numpy()
        position_M = np.minimum(self._starts[hash_M >> self._shift], last).astype(np.int64)
        behind = np.flatnonzero(self._hash_N[position_M] < hash_M)
        while len(behind):
            position_M[behind] += 1
            behind = behind[position_M[behind] <= last]
            behind = behind[self._hash_N[position_M[behind]] < hash_M[behind]]
        position_M = np.minimum(position_M, last)
        row_M = self._row_N[position_M].astype(np.int64)
        is_equal_M = (self._ids.gather(row_M) == ids).fill_null(value=False).to_numpy()
        return np.where(is_equal_M, row_M, -1)
