"""Ids are found in a table of hashes as they are found by a dictionary."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.tables.row_lookup import RowLookup


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1000, 20_000])
def test_rows_are_those_of_a_dictionary(count: int) -> None:
    rng = np.random.default_rng(count)
    ids = pl.Series([f"utterance {number}" for number in rng.permutation(count)], dtype=pl.String)
    searched = pl.Series([f"utterance {number}" for number in rng.integers(0, 2 * count + 1, 5_000)])
    places = {name: row for row, name in enumerate(ids)}
    expected = [places.get(name, -1) for name in searched]
    assert RowLookup(ids).rows(searched).tolist() == expected
    assert RowLookup(ids).rows(searched.clear()).tolist() == []
    assert RowLookup(ids).rows(ids).tolist() == list(range(count))


def test_another_id_with_the_same_hash_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = RowLookup(pl.Series(["a", "b"]))
    hash_of = pl.Series.hash
    monkeypatch.setattr(pl.Series, "hash", lambda ids, seed: hash_of(ids.replace("other", "b"), seed))
    assert lookup.rows(pl.Series(["b", "other", None])).tolist() == [1, -1, -1]


@pytest.mark.parametrize("kept_bits", [0, 1, 33, 40])
def test_ids_with_equal_hashes_are_told_apart(kept_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hash_of = pl.Series.hash
    kept = 2**64 - 2 ** (64 - kept_bits)
    monkeypatch.setattr(
        pl.Series, "hash", lambda ids, seed: hash_of(ids, seed) & pl.Series([kept], dtype=pl.UInt64)
    )
    ids = pl.Series([f"utterance {number}" for number in range(60)])
    searched = pl.Series([f"utterance {number}" for number in range(59, -40, -1)] + [None])
    expected = [number if number >= 0 else -1 for number in range(59, -40, -1)] + [-1]
    assert RowLookup(ids).rows(searched).tolist() == expected
    with pytest.raises(ValueError, match="not distinct"):
        RowLookup(pl.concat([ids, ids.head(1)]))


@pytest.mark.parametrize("ids", [["a", "b", "a"], ["a", None]])
def test_ids_are_distinct(ids: list[str | None]) -> None:
    with pytest.raises(ValueError, match=r"not distinct|null"):
        RowLookup(pl.Series(ids))
