"""The metric row against its parts, and its degenerate cases."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ambivox.models.errors import UserError
from ambivox.models.evaluation.rows import finite, metric_row, score_row
from ambivox.models.statistics import dominant_emotion, metrics
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.confidence_calibration import expected_calibration_error
from ambivox.models.statistics.intervals import mean_interval


def _distributions(seed: int, rows: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(3), rows)


def test_every_figure_is_that_of_its_metric() -> None:
    truth_NK, q_NK = _distributions(0), _distributions(1)
    speakers = [f"s{number % 7}" for number in range(60)]
    row = metric_row(truth_NK, q_NK, speakers_N=speakers)
    js_N = metrics.jensen_shannon(truth_NK, q_NK)
    js = mean_interval(js_N, speakers)
    assert (row["js"], row["js_low"], row["js_high"]) == (js.value, js.low, js.high)
    over_utterances = mean_interval(js_N)
    assert row["js_low_over_utterances"] == over_utterances.low
    assert row["js_high_over_utterances"] == over_utterances.high
    assert row["bc"] == metrics.bhattacharyya(truth_NK, q_NK).mean()
    assert row["entropy"] == metrics.entropy(q_NK).mean()
    assert row["accuracy"] == dominant_emotion.accuracy(truth_NK, q_NK)
    assert row["f1_macro"] == dominant_emotion.f1_macro(truth_NK, q_NK)
    assert row["f1_weighted"] == dominant_emotion.f1_weighted(truth_NK, q_NK)
    assert row["ece"] == expected_calibration_error(truth_NK, q_NK)
    assert row["r2"] == metrics.r2_mean(truth_NK, q_NK)
    assert (row["utterances"], row["missing"]) == (60, 0)
    assert not any(name.endswith("_ambiguity") for name in row)


def test_tertiles_are_of_all_utterances_whether_or_not_they_are_predicted() -> None:
    truth_NK, q_NK = _distributions(0, 9), _distributions(1, 9)
    q_NK[[0, 1, 2, 8]] = np.nan
    row = metric_row(truth_NK, q_NK, ambiguity_N=np.arange(9.0))
    js_N = metrics.jensen_shannon(truth_NK[3:8], q_NK[3:8])
    assert (row["utterances"], row["missing"]) == (5, 4)
    assert np.isnan(row["js_low_ambiguity"])
    assert row["js_medium_ambiguity"] == pytest.approx(js_N[:3].mean())
    assert row["js_high_ambiguity"] == pytest.approx(js_N[3:].mean())


def test_nothing_predicted_gives_counts_and_nan() -> None:
    row = metric_row(_distributions(0, 4), np.full((4, 3), np.nan), ambiguity_N=np.arange(4.0))
    assert (row.pop("utterances"), row.pop("missing")) == (0, 4)
    assert all(np.isnan(value) for value in row.values())


def test_the_ceiling_has_the_same_names_as_far_as_it_has_figures() -> None:
    row = metric_row(_distributions(0), _distributions(1), ambiguity_N=np.arange(60.0))
    js_N = np.full(60, 0.25)
    ceiling = score_row({"js": js_N, "bc": js_N, "accuracy": js_N}, ambiguity_N=np.arange(60.0))
    assert set(ceiling) <= set(row)
    assert {f"js_{name}_ambiguity" for name in TERTILES} <= set(ceiling)


def test_other_rows_than_distributions_are_refused() -> None:
    with pytest.raises(UserError, match="prediction: 1 of 1 rows"):
        metric_row(np.array([[1.0, 0.0]]), np.array([[0.7, 0.7]]))


def test_finite_leaves_nothing_that_json_cannot_hold() -> None:
    value = {"a": float("nan"), "b": [np.float64("inf"), 1], "c": {"d": (0.5, None, "x")}}
    assert finite(value) == {"a": None, "b": [None, 1], "c": {"d": [0.5, None, "x"]}}
    json.dumps(finite(value), allow_nan=False)
