"""The paper's measures against second implementations (scipy, scikit-learn) and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import r2_score

from ambivox.models.errors import UserError
from ambivox.models.statistics import metrics


def _random(rows: int, labels: int, seed: int, sharpness: float = 0.4) -> np.ndarray:
    p_NK = np.random.default_rng(seed).dirichlet(np.full(labels, sharpness), rows)
    p_NK[: rows // 4] = np.eye(labels)[np.arange(rows // 4) % labels]  # some with no doubt at all
    return p_NK


@pytest.mark.parametrize("labels", [1, 2, 6, 20])
def test_divergences_match_scipy(labels: int) -> None:
    truth_NK, prediction_NK = _random(200, labels, 1), _random(200, labels, 2)
    assert metrics.jensen_shannon(truth_NK, prediction_NK) == pytest.approx(
        np.array([jensenshannon(p, q, base=2) ** 2 for p, q in zip(truth_NK, prediction_NK, strict=True)]),
        abs=1e-9,
    )
    assert metrics.entropy(truth_NK) == pytest.approx(scipy_entropy(truth_NK, base=2, axis=1), abs=1e-12)


def test_a_table_of_several_blocks_has_the_scores_of_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    truth_NK, prediction_NK = _random(1_000, 6, 3), _random(1_000, 6, 4)[::-1]
    whole_N = metrics.jensen_shannon(truth_NK, prediction_NK)
    monkeypatch.setattr(metrics, "_BLOCK_ROWS", 7)
    assert (metrics.jensen_shannon(truth_NK, prediction_NK) == whole_N).all()
    by_scipy_N = [jensenshannon(p, q, base=2) ** 2 for p, q in zip(truth_NK, prediction_NK, strict=True)]
    assert whole_N == pytest.approx(by_scipy_N, abs=1e-12)


def test_divergence_by_hand() -> None:
    # m = (3/4, 1/4): 0.5 log2(4/3) + 0.5 (0.5 log2(2/3) + 0.5 log2 2) = 0.311278...
    js_N = metrics.jensen_shannon(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]))
    assert js_N == pytest.approx([0.31127812445913283])
    assert metrics.bhattacharyya(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])) == pytest.approx(
        [np.sqrt(0.5)]
    )


@given(st.integers(0, 10_000), st.integers(1, 20))
@settings(max_examples=50, deadline=None)
def test_divergence_is_symmetric_bounded_and_zero_on_itself(seed: int, labels: int) -> None:
    p_NK, q_NK = _random(8, labels, seed), _random(8, labels, seed + 1)
    js_N = metrics.jensen_shannon(p_NK, q_NK)
    assert js_N == pytest.approx(metrics.jensen_shannon(q_NK, p_NK), abs=1e-12)
    assert ((js_N >= 0) & (js_N <= 1)).all()
    assert metrics.jensen_shannon(p_NK, p_NK) == pytest.approx(np.zeros(8), abs=1e-12)
    assert metrics.bhattacharyya(p_NK, p_NK) == pytest.approx(np.ones(8))


@given(st.data(), st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=50, deadline=None)
def test_no_metric_depends_on_the_order_of_the_labels_or_on_other_utterances(
    data: st.DataObject, seed: int, labels: int
) -> None:
    p_NK, q_NK = _random(8, labels, seed), _random(8, labels, seed + 1)
    order = data.draw(st.permutations(range(labels)))
    rows = data.draw(st.lists(st.integers(0, 7), min_size=1, unique=True))
    for metric in (metrics.jensen_shannon, metrics.bhattacharyya):
        moved_N = metric(p_NK[rows][:, order], q_NK[rows][:, order])
        np.testing.assert_allclose(moved_N, metric(p_NK, q_NK)[rows], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        metrics.entropy(p_NK[rows][:, order]), metrics.entropy(p_NK)[rows], rtol=0, atol=1e-12
    )
    moved_K = metrics.r2_per_label(p_NK[:, order], q_NK[:, order])
    np.testing.assert_allclose(moved_K, metrics.r2_per_label(p_NK, q_NK)[list(order)], rtol=1e-9, atol=1e-12)


def test_r2_matches_scikit_learn_and_is_nan_where_the_truth_is_constant() -> None:
    truth_NK, prediction_NK = _random(100, 4, 3), _random(100, 4, 4)
    expected_K = r2_score(truth_NK, prediction_NK, multioutput="raw_values")
    assert metrics.r2_per_label(truth_NK, prediction_NK) == pytest.approx(expected_K)
    assert metrics.r2_mean(truth_NK, prediction_NK) == pytest.approx(expected_K.mean())
    assert np.isnan(metrics.r2_per_label(np.full((3, 2), 0.5), np.full((3, 2), 0.5))).all()
    assert np.isnan(metrics.r2_mean(np.full((3, 2), 0.5), np.full((3, 2), 0.5)))


def test_no_utterances_give_no_rows_and_no_error() -> None:
    none_NK = np.zeros((0, 3))
    assert metrics.jensen_shannon(none_NK, none_NK).shape == (0,)
    assert np.isnan(metrics.r2_mean(none_NK, none_NK))


@pytest.mark.parametrize("bad", [[[0.5, 0.4]], [[1.5, -0.5]], [[np.nan, 1.0]], [[np.inf, 0.0]]])
def test_rows_that_are_no_distributions_are_refused(bad: list[list[float]]) -> None:
    with pytest.raises(UserError, match=r"prediction: 1 of 1 rows .* row 0"):
        metrics.jensen_shannon(np.array([[0.5, 0.5]]), np.array(bad))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(UserError, match=r"\(1, 2\).*\(2, 2\)"):
        metrics.bhattacharyya(np.array([[0.5, 0.5]]), np.full((2, 2), 0.5))
    with pytest.raises(UserError, match="utterances by labels"):
        metrics.entropy(np.array([0.5, 0.5]))
