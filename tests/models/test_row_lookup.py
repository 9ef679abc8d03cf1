"""Ids are found in a table of hashes as they are found by a dictionary."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.tables import row_lookup
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


def test_equal_hashes_of_two_ids_are_avoided_by_another_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    hash_of = pl.Series.hash

    def colliding(ids: pl.Series, seed: int) -> pl.Series:
        return hash_of(ids.replace("b", "a") if seed == row_lookup._SEEDS[0] else ids, seed)

    monkeypatch.setattr(pl.Series, "hash", colliding)
    assert RowLookup(pl.Series(["a", "b", "c"])).rows(pl.Series(["b", "a"])).tolist() == [1, 0]


@pytest.mark.parametrize("ids", [["a", "b", "a"], ["a", None]])
def test_ids_are_distinct(ids: list[str | None]) -> None:
    with pytest.raises(ValueError, match=r"not distinct|null"):
        RowLookup(pl.Series(ids))
