"""The four tables: what they accept, what they refuse and with which message, and that they survive a round trip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambivox.models.errors import UserError
from ambivox.models.tables import Annotations, Distributions, Utterances, Votes

LABELS = ("anger", "joy")


def utterances(**changed: object) -> pl.DataFrame:
    row = {
        "utterance_id": ["a", "b"],
        "corpus": ["x", "x"],
        "audio": ["a.wav", "b.wav"],
        "audio_sha256": ["1", "2"],
        "duration_seconds": [1.0, 2.0],
        "sample_rate_hz": [16000, 16000],
        "split": ["train", "test"],
    }
    return pl.DataFrame(row | changed)


def votes(ids: list[str], labels: list[str], weights: list[float] | None = None) -> pl.DataFrame:
    rows = len(ids)
    return pl.DataFrame(
        {
            "utterance_id": ids,
            "annotator_id": [f"r{i}" for i in range(rows)],
            "annotator_kind": ["human"] * rows,
            "label": labels,
            "weight": weights or [1.0] * rows,
        },
        schema_overrides={
            "utterance_id": pl.String,
            "annotator_id": pl.String,
            "annotator_kind": pl.String,
            "label": pl.String,
            "weight": pl.Float64,
        },
    )


def test_a_round_trip_keeps_rows_and_labels_and_is_the_same_bytes_twice(tmp_path: Path) -> None:
    table = Utterances.check(utterances(), LABELS)
    first, second = table.write(tmp_path / "1.parquet"), table.write(tmp_path / "2.parquet")
    back = Utterances.read(first)
    assert back.labels == LABELS
    assert back.frame.equals(table.frame)
    assert first.read_bytes() == second.read_bytes()


def test_optional_columns_are_filled_with_null() -> None:
    assert Utterances.check(utterances(), LABELS).frame["transcript"].null_count() == 2


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (utterances().drop("split"), r"columns \['split'\] are missing"),
        (utterances(utterance_id=["a", "a"]), "'a' occurs more than once"),
        (utterances(split=["train", "holdout"]), "unknown split 'holdout'.*known: pretrain, train"),
        (utterances(audio=["a.wav", None]), "audio is missing in 1 row of utterances"),
        (utterances(duration_seconds=["long", "short"]), "wrong type"),
    ],
)
def test_utterances_refuse_with_a_reason(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Utterances.check(frame, LABELS)


@pytest.mark.parametrize("labels", [(), ("anger", "anger")])
def test_a_label_set_is_not_empty_and_not_doubled(labels: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="distinct labels"):
        Utterances.check(utterances(), labels)


def test_votes_refuse_labels_outside_the_set_and_weights_that_are_none() -> None:
    with pytest.raises(UserError, match="unknown label 'fear' in 1 row; known: anger, joy"):
        Votes.check(votes(["a"], ["fear"]), LABELS)
    for weight in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="positive and finite"):
            Votes.check(votes(["a"], ["joy"], [weight]), LABELS)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(LABELS)), max_size=40))
def test_counts_agree_with_counting_by_hand(cast: list[tuple[str, str]]) -> None:
    table = Votes.check(
        votes([utterance_id for utterance_id, _ in cast], [label for _, label in cast]), LABELS
    )
    n_NK = table.counts(pl.Series(["c", "a", "never"]))
    by_hand = [
        [sum(vote == (utterance_id, label) for vote in cast) for label in LABELS]
        for utterance_id in ("c", "a", "never")
    ]
    np.testing.assert_array_equal(n_NK, by_hand)


def test_distributions_that_do_not_sum_to_one_name_the_first_utterance() -> None:
    with pytest.raises(UserError, match=r"1 distribution does not sum to 1.*'b'"):
        Distributions.of(pl.Series(["a", "b"]), "human", np.array([[0.5, 0.5], [0.5, 0.6]]), LABELS)


def test_aligned_follows_the_asked_order_and_names_what_is_absent() -> None:
    table = Distributions.of(pl.Series(["a", "b"]), "human", np.eye(2), LABELS)
    np.testing.assert_array_equal(table.aligned(pl.Series(["b", "a"])), np.eye(2)[::-1])
    with pytest.raises(UserError, match="1 utterance has no distribution, the first is 'z'"):
        table.aligned(pl.Series(["a", "z"]))


def test_logprobs_must_have_one_number_per_label() -> None:
    row = {
        "utterance_id": ["a"],
        "alm": ["tiny"],
        "revision": ["r"],
        "elicitation": ["exact"],
        "persona": ["p"],
        "option_order": ["0"],
        "temperature": [0.0],
        "refused": [False],
        "prompt_sha256": ["s"],
        "engine": ["fake"],
        "logprobs": [[-0.1, -0.2, -0.3]],
    }
    with pytest.raises(UserError, match=r"logprobs hold \[3\] numbers, but there are 2 labels"):
        Annotations.check(pl.DataFrame(row), LABELS)


def test_reading_something_else_says_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file; expected a table of votes"):
        Votes.read(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(UserError, match="not a readable Parquet file"):
        Votes.read(tmp_path / "text.parquet")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match=r"not one of Ambivox"):
        Votes.read(tmp_path / "other.parquet")


def test_a_column_s_earlier_name_is_read(tmp_path: Path) -> None:
    table = Distributions.of(pl.Series(["a", "b"]), "pooled", np.eye(2), LABELS, 3.0, np.array([1.5, 0.0]))
    path = tmp_path / "pooled.parquet"
    earlier = table.frame.rename({"equivalent_votes": "effective_synthetic_votes"})
    earlier.write_parquet(path, metadata={"ambivox.labels": '["anger", "joy"]'})
    assert Distributions.read(path).frame.equals(table.frame)
    both = table.frame.with_columns(effective_synthetic_votes=pl.lit(9.0))
    assert Distributions.check(both, LABELS).frame["equivalent_votes"].to_list() == [1.5, 0.0]
