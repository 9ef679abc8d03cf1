"""Votes in tables of users: weights, columns of counts, and columns of numbers that are no votes."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import polars as pl
import pytest

import ambivox
from ambivox.models.errors import UserError

COUNTS = {"utterance_id": ["u", "v"], "a": [2, 0], "b": [1, 3]}
VOTES = {"utterance_id": ["u", "u", "v"], "annotator_id": ["r", "s", "r"], "label": ["a", "b", "b"]}
ALM = {"utterance_id": ["u", "v"], "a": [0.5, 0.2], "b": [0.5, 0.8]}


def _human_votes(votes: Any, **options: Any) -> list[float]:
    return ambivox.pool(pl.DataFrame(votes), **options)["human_votes"].to_list()  # type: ignore[no-any-return]


def test_labels_of_one_annotator_share_a_vote_with_and_without_weights() -> None:
    rows = {"utterance_id": ["u", "u", "v"], "annotator_id": ["r", "r", "r"], "label": ["a", "b", "a"]}
    assert _human_votes(rows) == _human_votes(rows | {"weight": [1.0, 1.0, 1.0]}) == [1, 1]
    assert _human_votes(rows | {"weight": [30.0, 10.0, 0.2]}) == pytest.approx([1, 1])
    del rows["annotator_id"]
    assert _human_votes(rows | {"weight": [2.0, 1.0, 3.0]}) == [3, 3]
    marks = COUNTS | {
        "annotator_id": ["r", "r"],
        "a": [1, 0],
        "b": [1, 1],
    }  # a column per label and a row per rater
    assert _human_votes(marks) == [1, 1]


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("age", [30, 30], "'age' is not called like a label"),
        ("durationMs", [3, 2], "'durationMs' is not called like a label"),
        ("segment_start", [0, 1], "'segment_start' is not called like a label"),
        ("pleasure", [1.5, 2.0], "'pleasure' holds 1.5 .utterance_id 'u'., which is no whole number"),
        ("chars", [1200, 0], "'chars' holds 1200, and the other columns no more than 3"),
    ],
)
def test_columns_that_cannot_be_counts_are_no_labels(column: str, values: list[float], words: str) -> None:
    table = COUNTS | {column: values}
    with pytest.raises(UserError, match=words) as error:
        ambivox.pool(pl.DataFrame(table))
    assert "labels=['a', 'b']" in str(error.value)
    assert _human_votes(table, labels=["a", "b"]) == [3, 3]


def test_columns_of_counts_may_be_called_after_votes_and_be_large() -> None:
    table = {"utterance_id": ["u", "v"], "votes_anger": [60, 1], "votes_total_joy": [1, 0]}
    assert _human_votes(table) == [61, 1]


def test_a_column_of_zeros_that_no_vote_names_is_no_label() -> None:
    for constant in (0, 0.0):
        alm = pl.DataFrame(ALM | {"seed": [constant, constant]})
        with pytest.raises(UserError, match="'seed' is 0 everywhere, and no vote names it"):
            ambivox.pool(pl.DataFrame(VOTES), alm)
    assert "seed_low" in ambivox.pool(pl.DataFrame(VOTES), alm, labels=["a", "b", "seed"]).columns
    other = pl.DataFrame({"utterance_id": ["u"], "a": [0.4], "b": [0.4], "seed": [0.2]})
    assert "seed_low" in ambivox.pool(pl.DataFrame(VOTES), {"x": alm, "y": other}).columns


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[0.667, 0.333], [0, 1]], "shares .all rows sum to 1.*by the number of votes on the utterance, or"),
        ([[1 / 3, 2 / 3], [1.0, None]], "shares"),
        ([[100 / 3, 200 / 3], [0, 100]], "percent .all rows sum to 100.*on the utterance / 100, or"),
        ([[40, 60], [0, 100], [0, 0]], "percent"),
        ([[33, 66], [50, 51]], "percent"),
    ],
)
@pytest.mark.parametrize("labels", [None, ["a", "b"]])
def test_shares_and_percent_are_no_votes(rows: list[list[Any]], words: str, labels: Any) -> None:
    votes = pd.DataFrame(
        rows, columns=["a", "b"], index=pd.Index(list("uvw")[: len(rows)], name="utterance_id")
    )
    with pytest.raises(UserError, match=words):
        ambivox.pool(votes, labels=labels)


def test_one_row_that_sums_to_1_or_100_and_fractions_are_votes() -> None:
    assert _human_votes({"utterance_id": ["u"], "a": [40], "b": [60]}) == [100]
    assert _human_votes({"utterance_id": ["u", "v"], "a": [1, 0], "b": [0, 1]}) == [1, 1]
    assert _human_votes(COUNTS | {"a": [0.5, 1]}, labels=["a", "b"]) == [1.5, 4]


@pytest.mark.parametrize(
    ("votes", "words"),
    [
        (VOTES | {"weight": ["1", "x", "1"]}, "'weight' holds 'x' .utterance_id 'u'., expected numbers"),
        (VOTES | {"weight": [1, 0, 1]}, "'weight' holds 0 .utterance_id 'u'., expected positive"),
        (VOTES | {"weight": [1.0, 1.0, math.nan]}, "'weight' holds nan .utterance_id 'v'."),
        (VOTES | {"weight": [1.0, 1.0, math.inf]}, "'weight' holds inf"),
        (VOTES | {"label": [["a", "b"], ["a"], ["b"]]}, r"'label' holds \['a', 'b'\] .a list.*explode"),
        (VOTES | {"utterance_id": [["u"], ["u"], ["v"]]}, r"'utterance_id' holds \['u'\] .a list"),
        (VOTES | {"utterance_id": ["u", " ", "v"]}, "1 row has no utterance_id"),
        (VOTES | {"label": ["a", " ", "b"]}, "found an empty label .utterance_id 'u'., expected"),
        ({"utterance_id": ["u"], "a": ["two"], "b": [1]}, "'a' holds 'two' .utterance_id 'u'."),
        ({"utterance_id": ["u"], "r1": ["a"], "r2": ["b"]}, "'r1', 'r2'.*unpivot.*melt"),
        ([], "votes: found an empty list"),
    ],
)
def test_a_fault_names_the_column_and_the_value(votes: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        ambivox.pool(votes, pl.DataFrame(ALM))
    assert "\n" not in str(error.value)


def test_a_column_per_rater_is_told_from_votes_also_without_probabilities() -> None:
    wide = pl.DataFrame({"utterance_id": ["u", "v"], "r1": ["a", "b"], "r2": ["b", "b"]})
    with pytest.raises(UserError, match=r"a column per rater .'r1', 'r2'.") as error:
        ambivox.pool(wide)
    columns = ["r1", "r2"]
    for call in (
        f"unpivot({columns}, index='utterance_id', variable_name='annotator_id', value_name='label')",
        f"melt('utterance_id', {columns}, 'annotator_id', 'label')",
    ):
        assert call in str(error.value)
    long = wide.unpivot(columns, index="utterance_id", variable_name="annotator_id", value_name="label")
    as_pandas = wide.to_pandas().melt("utterance_id", columns, "annotator_id", "label")
    assert _human_votes(long) == [2, 2] == ambivox.pool(as_pandas)["human_votes"].to_list()
    with pytest.raises(UserError, match="neither a column 'label' nor columns of numbers"):
        ambivox.pool([("u", "a"), ("v", "b")])
