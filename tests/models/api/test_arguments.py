"""Arguments that are no frames, and results whose columns have the names of labels."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import ambivox
from ambivox.models.errors import UserError

IDS = [f"u{i}" for i in range(12)]
VOTES = [
    (utterance, rater, "ab"[(i + j) % 3 > 0])
    for i, utterance in enumerate(IDS)
    for j, rater in enumerate("rst")
]
ALM = pl.DataFrame({"utterance_id": IDS, "a": np.linspace(0.02, 0.9, 12)}).with_columns(b=1 - pl.col("a"))
FEATURES = pl.DataFrame({"utterance_id": IDS, "f": np.arange(12.0), "g": np.arange(12.0) ** 2})


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("pool", {"seed": 1.5}, "seed must be a whole number, found 1.5 .a float"),
        ("pool", {"seed": -1}, "seed must be at least 0"),
        ("pool", {"interval": "0.9"}, "interval must be a number, found '0.9'"),
        ("pool", {"criterion": "foo"}, "unknown criterion 'foo'; known: balanced, js, likelihood"),
        ("pool", {"labels": "ab"}, "expected a list of labels such as .*, found 'ab'"),
        ("pool", {"labels": ["a", None]}, "labels: expected names, found None"),
        ("pool", {"labels": []}, "one or more labels, each once, found none"),
        ("pool", {"labels": ["a", "b", "a"]}, "each once, found a, b, a"),
        ("validate", {"labels": "ab"}, "expected a list of labels"),
        ("equivalent_votes", {"votes_in_use": -1}, "votes_in_use must be above 0"),
        ("plan_labels", {"budget": 2.5}, "budget must be a whole number, found 2.5"),
        ("plan_labels", {"budget": "3"}, "budget must be a whole number, found '3'"),
        ("plan_labels", {"budget": 0}, "budget must be at least 1"),
    ],
)
def test_an_argument_of_another_kind_is_one_line(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        getattr(ambivox, name)(VOTES, ALM, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": "foo"}, "unknown classes 'foo'; known: dominant, mass"),
        ({"neighbours": 2.5}, "neighbours must be a whole number"),
        ({"ratio": "a"}, "ratio must be a number"),
        ({"labels": "ab"}, "expected a list of labels"),
        ({"features": FEATURES.with_columns(f=pl.lit("x"))}, "features: the column 'f' holds 'x'"),
        ({"features": pl.concat([FEATURES, FEATURES])}, "features: 'u0' occurs twice"),
        ({"distributions": ALM.rename({"a": "weight"})}, "the label 'weight' is called like a column"),
        ({"distributions": ALM.rename({"b": "first"})}, "the label 'first' is called like a column"),
    ],
)
def test_mistakes_in_dime_aug_are_one_line(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        ambivox.dime_aug(**({"distributions": ALM, "features": FEATURES} | options))


def test_dime_aug_takes_a_result_of_pool_and_has_columns_of_text_where_it_plans_nothing() -> None:
    pooled = ambivox.pool(VOTES, ALM)
    assert ambivox.dime_aug(pooled, FEATURES, ratio=0.9).columns[-2:] == ["a", "b"]
    nothing = ambivox.dime_aug(ALM, FEATURES, ratio=0)
    assert nothing.height == 0
    assert [nothing[column].dtype for column in ("first", "second", "fills")] == [pl.String] * 3


@pytest.mark.parametrize(
    "label", ["a_low", "a_high", "human_votes", "equivalent_votes", "utterance_id", "source"]
)
def test_a_label_that_is_called_like_a_column_of_the_result_is_refused(label: str) -> None:
    votes = [(utterance, rater, {"b": label}.get(voted, voted)) for utterance, rater, voted in VOTES]
    with pytest.raises(UserError, match=f"the label '{label}' is called like a column of the result"):
        ambivox.pool(votes)


def test_fewer_votes_than_the_budget_are_a_warning() -> None:
    with pytest.warns(
        UserWarning, match="planned 240 votes of a budget of 1,000: 12 utterances get at most 20"
    ):
        plan = ambivox.plan_labels(VOTES, ALM, budget=1000)
    assert plan["votes"].max() == 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ambivox.plan_labels(VOTES, ALM, budget=np.int64(240))


def _audio(make_utterances: Any) -> str:
    from ambivox.models.tables import Utterances

    return str(Utterances.read(make_utterances(1)).frame["audio"][0])


def test_one_path_is_one_recording(make_utterances: Any, fresh_engine: None) -> None:
    path = _audio(make_utterances)
    for audio in (path, Path(path)):
        answers = ambivox.annotate(audio, ["a", "b"], "qwen2_audio", engine="fake")
        assert answers["utterance_id"].to_list() == [path]


def test_transcripts_are_found_by_numbers_and_text(make_utterances: Any, fresh_engine: None) -> None:
    def answers(audio: dict[Any, str], transcripts: dict[Any, Any]) -> pl.DataFrame:
        return ambivox.annotate(
            audio, ["a", "b"], "qwen2_audio", engine="fake", transcripts=transcripts, modality="transcript"
        )

    path = _audio(make_utterances)
    by_number = answers({1: path}, {1: "hi"})
    assert by_number["a"].null_count() == 0
    assert by_number.equals(answers({"1": path}, {"1": "hi"}))
    assert answers({1: path, 2: path}, {1: "hi", 2: float("nan")})["a"].null_count() == 1
    with pytest.raises(UserError, match=r"transcripts: 1 name is of no recording, such as '2'.*such as '1'"):
        answers({1: path}, {1: "hi", 2: "ho"})
    with pytest.raises(UserError, match="transcripts: expected text for '1', found 7"):
        answers({1: path}, {1: 7})


@pytest.mark.parametrize(
    ("audio", "labels", "words"),
    [
        (["x.wav"], "anger", "labels: expected a list of labels such as .*, found 'anger'"),
        (["x.wav"], ["utterance_id", "a"], "the label 'utterance_id' is called like a column"),
        (7, ["a", "b"], "audio: expected paths, or a mapping.*found a int"),
        ([None], ["a", "b"], "audio: expected paths of recordings, found None"),
        ("x.wav", ["a", "b"], "x.wav: audio is missing"),
    ],
)
def test_mistakes_in_what_annotate_takes_are_one_line(audio: Any, labels: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        ambivox.annotate(audio, labels, "qwen2_audio", engine="fake")
