"""The row numbers of many ids: a table of hashes that takes about 12 bytes per id, and is searched a block of ids at a time.

A join would build a hash table of the ids' text for every block. This one is built once. It holds the rows in the order
of the ids' 64-bit hashes: the first bits of a hash select a range of rows, the next 32 are compared. Equal bits are confirmed by comparing
the ids, so that the result is exact.
"""

from __future__ import annotations

import numpy as np
import polars as pl

_SEEDS = range(8)  # of the hash; the next one is tried where two ids have the same bits
_HASH_BITS, _COMPARED_BITS = 64, 32
_BLOCK_IDS = 2**17  # searched at once


class RowLookup:
    """Finds ids among N distinct ones, fewer than 2^32.

    Args:
        ids: N distinct ids; kept, and not copied.

    Raises:
        ValueError: an id occurs twice, or is null.
    """

    def __init__(self, ids: pl.Series) -> None:
        if ids.null_count():
            raise ValueError("an id is null")
        self._ids = ids
        # Ranges of one to two rows each.
        self._range_bits = max(1, len(ids).bit_length() - 1)
        for self._seed in _SEEDS:
            hash_N = ids.hash(self._seed).to_numpy()
            order_N = np.argsort(hash_N)
            hash_N = hash_N[order_N]
            range_N, self._compared_N = self._split(hash_N)
            is_equal_N = (self._compared_N[1:] == self._compared_N[:-1]) & (range_N[1:] == range_N[:-1])
            if not is_equal_N.any():
                break
        else:
            raise ValueError(f"{len(ids)} ids are not distinct")
        self._row_N = order_N.astype(np.uint32)
        ends_R = np.cumsum(np.bincount(range_N, minlength=2**self._range_bits))
        self._ends_R = ends_R.astype(np.uint32)

    def _split(self, hash_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The range of each hash, and the bits that are compared."""
        range_N = (hash_N >> np.uint64(_HASH_BITS - self._range_bits)).astype(np.int32)
        shift = np.uint64(_HASH_BITS - self._range_bits - _COMPARED_BITS)
        return range_N, (hash_N >> shift).astype(np.uint32)  # the cast drops the bits of the range

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
        row_M = np.full(len(ids), -1, dtype=np.int64)
        if len(self._ids):
            for start in range(0, len(ids), _BLOCK_IDS):
                row_M[start : start + _BLOCK_IDS] = self._rows(ids[start : start + _BLOCK_IDS])
        return row_M

    def _rows(self, ids: pl.Series) -> np.ndarray:
        """As ``rows``, for few ids and where there are any to be found."""
        range_M, compared_M = self._split(ids.hash(self._seed).to_numpy())
        end_M = self._ends_R[range_M].astype(np.int64)
        position_M = np.where(range_M > 0, self._ends_R[range_M - 1], 0).astype(np.int64)
        behind = np.flatnonzero(position_M < end_M)
        while len(behind):
            behind = behind[self._compared_N[position_M[behind]] < compared_M[behind]]
            position_M[behind] += 1
            behind = behind[position_M[behind] < end_M[behind]]
        position_M = np.minimum(position_M, len(self._ids) - 1)
        row_M = self._row_N[position_M].astype(np.int64)
        is_equal_M = (self._ids.gather(row_M) == ids).fill_null(value=False).to_numpy()
        return np.where(is_equal_M, row_M, -1)
