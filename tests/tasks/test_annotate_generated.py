"""Generated responses: sampled and verbalised elicitation, and refusals."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.engines.fake import FakeEngine
from ambivox.models.tables import Votes
from tests.support.annotation_fixtures import LABELS
from tests.support.annotation_runs import ALL_SPLITS, read_annotations, read_checks


def test_sampled_answers_are_rows_with_a_label_and_repeat_by_seed(make_utterances, run_annotate, tmp_path):
    utterances = make_utterances(4)
    frame = read_annotations(
        run_annotate(
            utterances, elicitation="sampled", personas=("paper",), drawn_votes=10, splits=ALL_SPLITS
        )
    ).frame
    assert (
        frame.height == 40
        and frame["label"].is_in(LABELS).all()
        and frame["temperature"].is_between(0.1, 1).all()
    )
    same = read_annotations(
        run_annotate(
            utterances,
            "b",
            elicitation="sampled",
            personas=("paper",),
            drawn_votes=10,
            splits=ALL_SPLITS,
            store=str(tmp_path / "other"),
        )
    ).frame
    assert same.equals(frame)
    other = read_annotations(
        run_annotate(
            utterances,
            "c",
            elicitation="sampled",
            personas=("paper",),
            drawn_votes=10,
            splits=ALL_SPLITS,
            seed=1,
        )
    ).frame
    assert not other["label"].equals(frame["label"])
    votes = Votes.read(tmp_path / "out" / "votes.parquet")
    assert (
        len(votes) == 40
        and votes.frame.group_by("utterance_id")
        .agg(pl.col("annotator_id").n_unique())["annotator_id"]
        .to_list()
        == [10] * 4
    )


def test_verbalised_answers_are_distributions(make_utterances, run_annotate):
    frame = read_annotations(
        run_annotate(make_utterances(3), elicitation="verbalised", splits=ALL_SPLITS)
    ).frame
    p_RK = np.exp(np.array(frame["logprobs"].to_list()))
    np.testing.assert_allclose(p_RK.sum(axis=1), 1, atol=1e-5)
    assert frame["label_mass"].null_count() == frame.height
    assert frame["response"].str.starts_with("{").all()


def test_a_refusal_is_kept_and_counted(make_utterances, run_annotate, monkeypatch):
    monkeypatch.setattr("ambivox.models.engines.fake._MASS", 0.004)
    out = run_annotate(make_utterances(2), splits=ALL_SPLITS)
    assert (
        read_annotations(out).frame["refused"].all()
        and read_annotations(out).frame["logprobs"].null_count() == 8
    )
    assert read_checks(out)["refusals"] == 8 and read_checks(out)["label_mass"]["mean"] == pytest.approx(
        0.004
    )


def test_a_sampled_answer_that_names_no_label_is_a_refusal(make_utterances, run_annotate, monkeypatch):
    monkeypatch.setattr(
        FakeEngine, "generate", lambda _self, requests, _settings: ["I would rather not."] * len(requests)
    )
    frame = read_annotations(
        run_annotate(make_utterances(2), elicitation="sampled", drawn_votes=3, splits=ALL_SPLITS)
    ).frame
    assert frame["refused"].all() and frame["label"].null_count() == 6
    assert set(frame["response"]) == {"I would rather not."}
