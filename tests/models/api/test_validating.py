"""``ambivox.validate`` of votes that raters split between labels."""

from __future__ import annotations

import polars as pl
import pytest

import ambivox

_IDS = [f"u{row}" for row in range(4)]


def _votes(labels_of: dict[str, str], **columns: object) -> pl.DataFrame:
    rows = [(name, rater, label) for name in _IDS for rater, named in labels_of.items() for label in named]
    frame = pl.DataFrame(rows, schema=["utterance_id", "annotator_id", "label"], orient="row")
    return frame.with_columns(**columns)


def _squared_error(votes: pl.DataFrame) -> float:
    uniform = pl.DataFrame({"utterance_id": _IDS, "a": [0.5] * 4, "b": [0.5] * 4})
    return float(ambivox.validate(votes, uniform)["squared_error"][0])


def test_raters_who_name_both_labels_agree_with_the_uniform_distribution() -> None:
    assert _squared_error(_votes({"r": "ab", "s": "ab"})) == pytest.approx(0)
    assert _squared_error(_votes({"r": "a", "s": "b"})) == pytest.approx(-0.5)


def test_a_column_of_counts_holds_whole_votes() -> None:
    counts = pl.DataFrame({"utterance_id": _IDS, "a": [1.0] * 4, "b": [1.0] * 4})
    assert _squared_error(counts) == pytest.approx(-0.5)
    weighted = _votes(
        {"r": "ab", "s": "ab"}, weight=pl.lit(1.0)
    )  # each rater has one vote, as without weights
    assert _squared_error(weighted) == pytest.approx(0)
