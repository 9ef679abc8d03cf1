"""Votes that are weighted by their raters' reliability: what is pooled, and what is a target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ambivox.models.pooling import sources
from ambivox.models.pooling.fit import _split, fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.pooling.score_curves import _scores, _with_one_more, joined, score_curves
from ambivox.models.statistics.vote_draws import draw_votes
from ambivox.models.tables import Votes
from tests.support.pooling_tables import label_names, simulated_corpus, utterance_table, vote_table

_WEIGHT_K = np.array([1.4, 1.1, 0.9, 0.6])  # of the raters who chose each label


@pytest.fixture(scope="module")
def weighted() -> PoolingInputs:
    corpus = simulated_corpus(rows=300, votes=8, seed=2)
    return replace(corpus.inputs, n_NK=corpus.n_NK * _WEIGHT_K, raters_NK=corpus.n_NK)


@pytest.fixture(scope="module")
def model() -> PoolingModel:
    corpus = simulated_corpus(rows=300, votes=8, seed=3)
    return fit_pooling(label_names(4), [], corpus.inputs.with_alms(()), np.full(1, 3.0))


def test_every_rater_counts_alike_in_a_target(weighted: PoolingInputs, model: PoolingModel) -> None:
    known_NK = draw_votes(weighted.n_NK, np.full(300, 3), np.random.default_rng(0), weighted.slots_NK)
    rest_NK = weighted.slots_NK - (known_NK / _WEIGHT_K).round()
    assert weighted.unknown_votes(known_NK).tolist() == rest_NK.tolist()
    assert set(rest_NK.sum(1)) == {5.0}
    nothing = weighted.with_alms(())
    p_NK = pool(model, known_NK, nothing.q_NAK).p_NK
    expected_N = -(rest_NK / 5 * np.log(p_NK)).sum(1)
    assert _scores(model, nothing, known_NK)["nll"] == pytest.approx(expected_N)
    # Without weights it is the difference of the votes, also of parts of votes.
    parts = replace(weighted, n_NK=weighted.slots_NK / 2, raters_NK=None)
    assert parts.unknown_votes(known_NK * 0 + 0.5).tolist() == np.maximum(parts.n_NK - 0.5, 0).tolist()


def test_one_more_vote_is_one_more_rater_with_the_weight_that_is_pooled(weighted: PoolingInputs) -> None:
    rng = np.random.default_rng(1)
    known_NK = draw_votes(weighted.n_NK, np.full(300, 3), rng, weighted.slots_NK)
    more_NK = _with_one_more(weighted, known_NK, rng)
    assert weighted.unknown_votes(more_NK).sum(1) == pytest.approx(4)
    assert set((more_NK - known_NK).max(1).round(9)) <= set(_WEIGHT_K)


def test_the_target_of_the_response_is_not_weighted(weighted: PoolingInputs) -> None:
    row_M, known_MK, target_MK = _split(weighted, np.full(1, 3.0), np.random.default_rng(0))
    assert (target_MK == target_MK.round()).all() and set(target_MK.sum(1)) == {5.0}
    assert known_MK / _WEIGHT_K + target_MK == pytest.approx(weighted.slots_NK[row_M])


def test_three_votes_in_use_are_three_also_where_their_sum_is_a_little_more(weighted: PoolingInputs) -> None:
    plain = replace(weighted, n_NK=weighted.slots_NK, raters_NK=None)
    _, known_MK, _ = _split(plain, np.full(1, 3 + 1e-12), np.random.default_rng(0))
    assert set(known_MK.sum(1)) == {3.0}


def test_no_step_forgets_the_raters(weighted: PoolingInputs, model: PoolingModel) -> None:
    halves = [weighted.rows(np.arange(150)), weighted.rows(np.arange(150, 300))]
    curves = [score_curves(model, model, half.with_alms(()), 2, 1, draws=1) for half in halves]
    assert joined(curves).inputs.slots_NK.tolist() == weighted.slots_NK.tolist()
    known_NK = draw_votes(weighted.n_NK, np.full(300, 3), np.random.default_rng(0), weighted.slots_NK)
    known = weighted.with_votes(known_NK)
    assert known.slots_NK * _WEIGHT_K == pytest.approx(known_NK)
    plain = replace(weighted, raters_NK=None)
    assert PoolingInputs.concatenate([plain, plain]).raters_NK is None


def test_the_votes_in_use_are_numbers_of_raters(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, ids, names = simulated_corpus(rows=60, votes=3), [f"u{row}" for row in range(60)], label_names(4)
    votes, in_use = vote_table(corpus.n_NK, ids, names), []
    heavier = Votes.check(votes.frame.with_columns(pl.col("weight") * 1.05), names)
    fit = sources.fit_pooling
    monkeypatch.setattr(
        sources, "fit_pooling", lambda *given, **options: in_use.append(given[3]) or fit(*given, **options)
    )
    sources.make_sources(utterance_table(corpus, ids, names), votes, (), weighted_votes=heavier)
    assert set(np.concatenate(in_use)) == {3.0}
