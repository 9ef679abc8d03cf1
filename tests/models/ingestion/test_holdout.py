"""Held-out votes: none lost, none duplicated, all of an annotator's labels together, drawn evenly."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.ingestion.holdout import hold_out


def votes(raters: dict[str, int]) -> pl.DataFrame:
    """Votes of a number of annotators per utterance; every third gives two labels."""
    rows = [
        (name, f"r{rater}", label, 0.5 if rater % 3 == 0 else 1.0)
        for name, number in raters.items()
        for rater in range(number)
        for label in (("anger", "fear") if rater % 3 == 0 else ("anger",))
    ]
    return pl.DataFrame(rows, ["utterance_id", "annotator_id", "label", "weight"], orient="row")


@pytest.mark.parametrize("keep", [1, 3, 5])
def test_so_many_annotators_stay_and_the_rest_is_held_back(keep: int) -> None:
    raters = {"a": 10, "b": 3, "c": 1}
    table = votes(raters)
    kept, heldout = hold_out(table, keep, seed=0)
    assert pl.concat([kept, heldout]).sort(table.columns).equals(table.sort(table.columns))
    for name, number in raters.items():
        stayed = set(kept.filter(utterance_id=name)["annotator_id"])
        assert len(stayed) == min(keep, number)
        assert stayed.isdisjoint(heldout.filter(utterance_id=name)["annotator_id"])


def test_the_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    table = votes({f"u{n}": 8 for n in range(30)})
    first = hold_out(table, 3, seed=1)
    again = hold_out(table.sample(fraction=1, shuffle=True, seed=2), 3, seed=1)
    assert first[0].equals(again[0])
    assert first[1].equals(again[1])
    assert not first[0].equals(hold_out(table, 3, seed=2)[0])


def test_every_annotator_is_as_likely_to_stay() -> None:
    kept, _ = hold_out(votes({f"u{n:04}": 8 for n in range(4000)}), 2, seed=0)
    stayed = kept.unique(["utterance_id", "annotator_id"])["annotator_id"].value_counts()["count"].to_numpy()
    expected = 4000 * 2 / 8
    assert np.abs(stayed - expected).max() < 4 * np.sqrt(expected * 0.75)


def test_none_keeps_all_and_nought_is_a_mistake() -> None:
    table = votes({"a": 4})
    kept, heldout = hold_out(table, None, seed=0)
    assert (kept.height, heldout.height) == (table.height, 0)
    with pytest.raises(UserError, match="at least 1"):
        hold_out(table, 0, seed=0)
