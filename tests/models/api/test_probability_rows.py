"""Rows of probabilities: those without an answer, those that lack a number, and results that are given back."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pandas as pd
import polars as pl
import pytest

import ambivox
from ambivox.models.errors import UserError

VOTES = pl.DataFrame({"utterance_id": list("uuvvww"), "label": list("ababbb")})
ALM = pl.DataFrame({"utterance_id": list("uvw"), "a": [0.5, 0.2, 0.0], "b": [0.5, 0.8, 1.0]})


@pytest.mark.parametrize("missing", [None, math.nan])
@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_row_that_lacks_some_numbers_is_no_missing_answer(missing: float | None, kind: str) -> None:
    def given(a: Any, b: Any) -> Any:
        row = pl.col("utterance_id") == "v"
        frame = ALM.with_columns(
            pl.when(row).then(pl.lit(a, pl.Float64)).otherwise("a").alias("a"),
            pl.when(row).then(pl.lit(b, pl.Float64)).otherwise("b").alias("b"),
        )
        return frame.to_pandas() if kind == "pandas" else frame

    with pytest.raises(UserError, match=r"1 row has no number.*such as 'a' of 'v'.*fillna\(0\)"):
        ambivox.pool(VOTES, given(missing, 1.0))
    without = ambivox.pool(VOTES, ALM.filter(pl.col("utterance_id") != "v"))
    unanswered = ambivox.pool(VOTES, given(missing, missing))
    assert unanswered.equals(without)


def test_shares_of_answers_from_pandas_need_zeros() -> None:
    answers = pd.DataFrame({"utterance_id": list("uuvvww"), "label": list("abbbbb")})
    shares = answers.groupby("utterance_id").label.value_counts(normalize=True).unstack()
    with pytest.raises(UserError, match="2 rows have no number for some labels"):
        ambivox.pool(VOTES, shares)
    assert ambivox.pool(VOTES, shares.fillna(0)).height == 3


def test_text_among_probabilities_is_named() -> None:
    text = ALM.with_columns(a=pl.Series(["0.5", "high", "0"]))
    with pytest.raises(
        UserError, match=r"probabilities of alm: the column 'a' holds 'high' .utterance_id 'v'"
    ):
        ambivox.pool(VOTES, text, labels=["a", "b"])
    dates = ALM.with_columns(a=pl.lit("2020-01-01").str.to_date())
    with pytest.raises(UserError, match="'a' holds '2020-01-01'"):
        ambivox.pool(VOTES, dates, labels=["a", "b"])


def test_the_columns_of_a_result_are_no_labels() -> None:
    pooled = ambivox.pool(VOTES, ALM)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = ambivox.validate(VOTES, pooled)
        expected = ambivox.validate(VOTES, pooled, labels=["a", "b"])
    assert scores["nll"].equals(expected["nll"])
    with pytest.warns(UserWarning, match="probabilities of alm hold human votes already"):
        again = ambivox.pool(VOTES, pooled)
    assert again.columns == pooled.columns
    assert "a_low" in ambivox.pool(VOTES, ALM.with_columns(prior_votes=3.0)).columns


def test_few_common_utterances_are_a_warning_with_examples() -> None:
    renamed = ALM.with_columns(pl.Series("utterance_id", ["u", "V", "W"]))
    with pytest.warns(UserWarning, match="only 1 of 3 utterances with votes.*'v' only in votes, 'V' only in"):
        ambivox.pool(VOTES, renamed)
    with pytest.warns(UserWarning, match="found 'v' only in votes; write"):
        ambivox.validate(VOTES, ALM.head(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ambivox.pool(VOTES.head(2), ALM)  # an ALM that answers on more than what has votes is the rule
        blanks = ambivox.pool(VOTES, ALM.with_columns(" " + pl.col("utterance_id") + "\t"))
    assert blanks.equals(ambivox.pool(VOTES, ALM))
