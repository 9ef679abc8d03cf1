"""The metric row against its parts, and its degenerate cases."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ambivox.models.errors import UserError
from ambivox.models.evaluation.ambiguity_strata import AmbiguityStrata
from ambivox.models.evaluation.ceiling import knowledge_floor, split_half
from ambivox.models.evaluation.rows import finite, metric_row, score_row
from ambivox.models.statistics import dominant_emotion, metrics
from ambivox.models.statistics.confidence_calibration import expected_calibration_error
from ambivox.models.statistics.intervals import mean_interval
from ambivox.models.statistics.proper_scores import negative_log_likelihood, squared_error
from ambivox.models.statistics.vote_counts import shares


def _distributions(seed: int, rows: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(3), rows)


def _votes(seed: int, rows: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(5, _distributions(seed, rows)).astype(float)


def test_every_figure_is_that_of_its_metric() -> None:
    n_NK, q_NK = _votes(0), _distributions(1)
    truth_NK = shares(n_NK)
    speakers = [f"s{number % 7}" for number in range(60)]
    row = metric_row(n_NK, q_NK, speakers_N=speakers)
    for name, score_N in (
        ("nll", negative_log_likelihood(n_NK, q_NK)),
        ("squared_error", squared_error(n_NK, q_NK)),
    ):
        interval = mean_interval(score_N, speakers)
        assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == (
            interval.value,
            interval.low,
            interval.high,
        )
    assert (row["nll_infinite"], row["squared_error_utterances"]) == (0, 60)
    assert next(iter(row)) == "nll"  # proper scores come first
    js_N = metrics.jensen_shannon(truth_NK, q_NK)
    js = mean_interval(js_N, speakers)
    assert (row["js"], row["js_low"], row["js_high"]) == (js.value, js.low, js.high)
    over_utterances = mean_interval(js_N)
    assert row["js_low_over_utterances"] == over_utterances.low
    assert row["js_high_over_utterances"] == over_utterances.high
    assert row["bc"] == pytest.approx(metrics.bhattacharyya(truth_NK, q_NK).mean())
    assert row["entropy"] == pytest.approx(metrics.entropy(q_NK).mean())
    assert row["accuracy"] == dominant_emotion.accuracy(truth_NK, q_NK)
    assert row["f1_macro"] == dominant_emotion.f1_macro(truth_NK, q_NK)
    assert row["f1_weighted"] == dominant_emotion.f1_weighted(truth_NK, q_NK)
    assert row["ece"] == expected_calibration_error(truth_NK, q_NK)
    assert row["r2"] == metrics.r2_mean(truth_NK, q_NK)
    assert (row["utterances"], row["missing"]) == (60, 0)
    assert not any(name.endswith("_ambiguity") for name in row)


def test_tertiles_are_scored_against_the_votes_of_the_strata() -> None:
    n_NK, q_NK = _votes(0, 6), _distributions(1, 6)
    q_NK[0] = np.nan
    targets_NK = _votes(7, 6)
    strata = AmbiguityStrata(np.array([0, 1, 2, 3, 4, 4]), targets_NK, np.array([0, 1, 1, 2, 2, 1]))
    row = metric_row(n_NK, q_NK, strata=strata)
    nll_M = negative_log_likelihood(targets_NK, q_NK[strata.row_M])
    assert np.isnan(row["nll_low_ambiguity"])
    assert row["nll_medium_ambiguity"] == pytest.approx(nll_M[[1, 2, 5]].mean())
    assert row["nll_high_ambiguity"] == pytest.approx(nll_M[[3, 4]].mean())
    assert (row["utterances"], row["missing"]) == (5, 1)


def test_one_infinite_score_makes_the_mean_infinite_and_is_counted() -> None:
    row = metric_row(np.array([[1.0, 1.0], [2.0, 0.0]]), np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert row["nll"] == np.inf and np.isnan(row["nll_low"]) and row["nll_infinite"] == 1
    assert np.isfinite(row["squared_error"])


def test_nothing_predicted_gives_counts_and_nan() -> None:
    strata = AmbiguityStrata(np.arange(4), _votes(0, 4), np.array([0, 1, 2, 2]))
    row = metric_row(_votes(0, 4), np.full((4, 3), np.nan), strata=strata)
    assert (row.pop("utterances"), row.pop("missing")) == (0, 4)
    assert (row.pop("nll_infinite"), row.pop("squared_error_utterances")) == (0, 0)
    assert all(np.isnan(value) for value in row.values())


def test_ceiling_and_floor_have_the_same_names_as_far_as_they_have_figures() -> None:
    row = metric_row(_votes(0), _distributions(1))
    for scores in (split_half(_votes(0)), knowledge_floor(_votes(0), _votes(0))):
        assert set(score_row(scores)) <= set(row)


def test_other_rows_than_distributions_are_refused() -> None:
    with pytest.raises(UserError, match="prediction: 1 of 1 rows"):
        metric_row(np.array([[1.0, 0.0]]), np.array([[0.7, 0.7]]))


def test_finite_leaves_nothing_that_json_cannot_hold() -> None:
    value = {"a": float("nan"), "b": [np.float64("inf"), 1], "c": {"d": (0.5, None, "x")}}
    assert finite(value) == {"a": None, "b": [None, 1], "c": {"d": [0.5, None, "x"]}}
    json.dumps(finite(value), allow_nan=False)
