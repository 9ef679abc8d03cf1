"""Validation of made-up sources: the prior, what is made from the target, figures by label, and unknown speakers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.evaluation.breakdowns import by_label
from ambivox.models.evaluation.validation import Validation, validate
from ambivox.models.evaluation.validation_tables import details
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.tables import Distributions, Utterances, Votes
from tests.support.pooling_tables import label_names, simulated_corpus, utterance_table, vote_table

_NAMES = label_names(3)
_IDS = [f"u{number:03d}" for number in range(240)]
_CORPUS = simulated_corpus(rows=240, labels=3, speakers=12, seed=5)
_UTTERANCES = utterance_table(_CORPUS, _IDS, _NAMES)
_VOTES = vote_table(_CORPUS.n_NK, _IDS, _NAMES)
_SOURCES = ("human", "human_prior", "human_mixture", "synthetic", "combined", "pooled")


def _validate(utterances: Utterances = _UTTERANCES, heldout: Votes | None = None) -> Validation:
    ids = pl.Series(_IDS)
    tables = {
        source: Distributions.of(
            ids, source, _CORPUS.q_NK, _NAMES, np.zeros(240), np.full(240, 1.0 * (source == "synthetic"))
        )
        for source in _SOURCES
    }
    return validate(utterances, _VOTES, heldout or Votes(_VOTES.frame.clear(), _NAMES), tables, ())


def test_what_is_made_from_the_target_is_left_out_unless_votes_were_held_out() -> None:
    validation = _validate()
    made = {source for source in validation.scores if validation.is_made_from_target(source)}
    assert made == {"human", "human_smoothed", "human_prior", "human_mixture", "combined", "pooled"}
    rest = validation.without_target()
    assert set(rest.predictions) == {"synthetic", "prior"}
    assert set(rest.scores) == {"synthetic", "prior", "ceiling", "floor"}
    held_out = _validate(heldout=_VOTES)
    assert not any(held_out.is_made_from_target(source) for source in held_out.scores)
    assert set(held_out.without_target().scores) == set(held_out.scores)


def test_the_prior_is_of_the_splits_that_pooling_is_fitted_on() -> None:
    is_fitted_N = _UTTERANCES.frame["split"].is_in(["train", "development"]).to_numpy()
    expected_K = corpus_prior(_CORPUS.n_NK[is_fitted_N])
    assert (_validate().predictions["prior"] == expected_K).all()


def test_figures_by_label_are_of_that_label() -> None:
    validation = _validate()
    cells = by_label(validation)["pooled"]
    truth_NK, p_NK = validation.truth_NK, validation.predictions["pooled"]
    for k, label in enumerate(_NAMES):
        residual = ((truth_NK[:, k] - p_NK[:, k]) ** 2).sum()
        spread = ((truth_NK[:, k] - truth_NK[:, k].mean()) ** 2).sum()
        assert cells[label]["r2"] == pytest.approx(1 - residual / spread)
        assert cells[label]["mean"] == pytest.approx(p_NK[:, k].mean())
        assert cells[label]["mean_of_humans"] == pytest.approx(truth_NK[:, k].mean())
        assert 0 < cells[label]["f1"] < 1
    constant = by_label(validation)["prior"]
    assert sorted(cell["f1"] > 0 for cell in constant.values()) == [False, False, True]  # it always says one


def test_an_unknown_speaker_is_not_counted_and_tests_over_utterances_say_so() -> None:
    tables = details(_validate())
    assert tables["speakers"] == 4
    assert not any("intervals_over" in test for test in tables["paired_tests"])
    speaker = pl.when(pl.col("speaker") == "s3").then(pl.col("speaker"))
    one = details(_validate(Utterances(_UTTERANCES.frame.with_columns(speaker), _NAMES)))
    assert one["speakers"] == 1
    tests = [test for test in one["paired_tests"] if test["p_value"] is not None]
    assert {test["intervals_over"] for test in tests} == {"utterances"}
    assert {test["speakers"] for test in tests} == {one["utterances"]}
