"""The row numbers of many ids: a table of hashes that takes about 12 bytes per id, and is searched a block of ids at a time.

A join would build a hash table of the ids' text for every block. This one is built once, with linear probing: the upper half
of an id's 64-bit hash says at which slot the search for it begins, the lower half is stored there with its row. The ids
lie in the order of their hashes, each at its slot or at the first free one after it. Equal hashes are confirmed by comparing the
ids, so that the result is exact.
"""

from __future__ import annotations

import numpy as np
import polars as pl

_HALF = np.uint64(32)  # bits
_NO_ROW = 2**32 - 1
_EMPTY = np.uint64(2**64 - 1)
_SLOTS_PER_ID = 1.5
_BLOCK_IDS = 2**17  # searched at once


class RowLookup:
    """Finds ids among N distinct ones, fewer than 2^31.

    Args:
        ids: N distinct ids; kept, and not copied.

    Raises:
        ValueError: an id occurs twice, or is null.
    """

    def __init__(self, ids: pl.Series) -> None:
        if ids.null_count():
            raise ValueError("an id is null")
        self._ids = ids
        self._slots = np.uint64(_SLOTS_PER_ID * len(ids) + 1)
        hash_N = ids.hash(0).to_numpy()
        order_N = np.argsort(hash_N)
        hash_N = hash_N[order_N]
        self._check_distinct(hash_N, order_N)
        # The first free slot at or after an id's own, where all before it have theirs.
        number_N = np.arange(len(ids))
        slot_N = self._first_slot(hash_N)
        slot_N -= number_N
        np.maximum.accumulate(slot_N, out=slot_N)
        slot_N += number_N
        last = int(slot_N[-1]) if len(ids) else 0
        self._table = np.full(max(int(self._slots), last + 1) + 1, _EMPTY)
        self._table[slot_N] = (hash_N << _HALF) | order_N.view(np.uint64)

    def _check_distinct(self, hash_N: np.ndarray, order_N: np.ndarray) -> None:
        is_equal_N = hash_N[1:] == hash_N[:-1]
        if is_equal_N.any():
            suspects = np.append(is_equal_N, [False]) | np.append([False], is_equal_N)
            if self._ids.gather(order_N[suspects]).is_duplicated().any():
                raise ValueError(f"{len(self._ids)} ids are not distinct")

    def _first_slot(self, hash_M: np.ndarray) -> np.ndarray:
        """Where the search begins: the upper half of the hash as a share of the slots."""
        return (((hash_M >> _HALF) * self._slots) >> _HALF).view(np.int64)

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
        hash_M = ids.hash(0).to_numpy()
        slot_M, stored_M = self._first_slot(hash_M), hash_M << _HALF
        row_M = self._candidates(slot_M, stored_M)
        while True:
            is_found_M = row_M != _NO_ROW
            is_equal_M = self._ids.gather(np.where(is_found_M, row_M, 0)).eq_missing(ids).to_numpy()
            # Another id with the same half of its hash: the search goes on behind it.
            others = np.flatnonzero(is_found_M & ~is_equal_M)
            if not len(others):
                return np.where(is_found_M, row_M, -1)
            slots = slot_M[others] + 1
            row_M[others] = self._candidates(slots, stored_M[others])
            slot_M[others] = slots

    def _candidates(self, slot_M: np.ndarray, stored_M: np.ndarray) -> np.ndarray:
        """The rows of the next ids with the same half of the hash, from ``slot_M`` on, which is moved to them.

        Args:
            slot_M: where the search begins.
            stored_M: the half of the hash that is stored, as stored.

        Returns:
            Rows; _NO_ROW where a free slot is reached first.
        """
        entry_M = self._table[slot_M]
        row_M: np.ndarray = entry_M ^ stored_M
        pending = np.flatnonzero((row_M > _NO_ROW) & (entry_M != _EMPTY))
        while len(pending):
            slot_P = slot_M[pending] + 1
            slot_M[pending] = slot_P
            entry_P = self._table[slot_P]
            row_P = entry_P ^ stored_M[pending]
            row_M[pending] = row_P
            pending = pending[(row_P > _NO_ROW) & (entry_P != _EMPTY)]
        return np.minimum(row_M, _NO_ROW).view(np.int64)
