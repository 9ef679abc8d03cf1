"""An ALM's distribution: the mean of its answers, whatever the elicitation, against a loop over rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.errors import UserError
from ambivox.models.pooling.synthetic_distributions import (
    read_synthetic_distributions,
    synthetic_distributions,
)
from ambivox.models.prompting.prompts import option_orders
from ambivox.models.tables import Annotations
from tests.support.pooling_tables import annotation_frame, label_names

_NAMES = label_names(3)


def _log_mean(q_PNK: np.ndarray) -> np.ndarray:
    geometric_NK = np.exp(np.log(np.maximum(q_PNK, 1e-6)).mean(0))
    return np.asarray(geometric_NK / geometric_NK.sum(1, keepdims=True))


def test_the_mean_over_prompts_and_alms_apart() -> None:
    rng = np.random.default_rng(0)
    ids = [f"u{number}" for number in range(20)]
    answers = {alm: rng.dirichlet(np.ones(3), (4, 20)) for alm in ("b", "a")}
    frames = [annotation_frame(q_NK, ids, alm) for alm, q in answers.items() for q_NK in q]
    result = synthetic_distributions(
        Annotations.check(pl.concat(frames).sample(fraction=1, shuffle=True, seed=1), _NAMES),
        pl.Series(ids[::-1]),
    )
    assert [alm.alm for alm in result] == ["a", "b"]
    for alm in result:
        assert alm.q_NK == pytest.approx(_log_mean(answers[alm.alm])[::-1])
        assert alm.answers_N.tolist() == [4.0] * 20
        assert alm.label_mass_N == pytest.approx(np.full(20, 0.9))


def test_sampled_answers_are_counted_with_half_a_pseudo_vote() -> None:
    frame = pl.concat([annotation_frame(np.full((1, 3), np.nan), ["u"])] * 4)
    frame = frame.with_columns(
        label=pl.Series(["label00", "label00", "label02", None]),
        refused=pl.Series([False, False, False, True]),
        elicitation=pl.lit("sampled"),
        label_mass=pl.lit(None, dtype=pl.Float64),
    )
    (result,) = synthetic_distributions(Annotations.check(frame, _NAMES), pl.Series(["u", "never asked"]))
    assert result.q_NK[0] == pytest.approx(np.array([2.5, 0.5, 1.5]) / 4.5)
    assert np.isnan(result.q_NK[1]).all() and np.isnan(result.label_mass_N).all()
    assert (result.answers_N.tolist(), result.refusals_N.tolist()) == ([3.0, 0.0], [1.0, 0.0])
    assert result.answered_N.tolist() == [True, False]


def test_an_alm_that_never_answers() -> None:
    (result,) = synthetic_distributions(
        Annotations.check(annotation_frame(np.full((2, 3), np.nan), ["u", "v"]), _NAMES),
        pl.Series(["u", "v"]),
    )
    assert not result.answered_N.any() and result.refusals_N.tolist() == [1.0, 1.0]


def test_logprobs_of_no_distribution_are_refused() -> None:
    frame = annotation_frame(np.array([[0.5, 0.4, 0.4]]), ["u"])
    with pytest.raises(UserError, match=r"made_up_alm.*do not sum to 1"):
        synthetic_distributions(Annotations.check(frame, _NAMES), pl.Series(["u"]))


def test_other_labels_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = Annotations.check(annotation_frame(np.full((1, 3), 1 / 3), ["u"]), _NAMES).write(
        tmp_path / "a.parquet"
    )
    with pytest.raises(UserError, match=r"a\.parquet has the labels"):
        read_synthetic_distributions(path, pl.Series(["u"]), ("x", "y", "z"))


def test_exact_answers_are_averaged_in_log_space_and_verbalised_ones_plainly() -> None:
    answers = [np.array([[0.8, 0.1, 0.1]]), np.array([[0.2, 0.4, 0.4]])]
    frame = pl.concat([annotation_frame(q_NK, ["u"]) for q_NK in answers])
    (exact,) = synthetic_distributions(Annotations.check(frame, _NAMES), pl.Series(["u"]))
    geometric = np.sqrt(answers[0] * answers[1])
    assert exact.q_NK == pytest.approx(geometric / geometric.sum())
    verbalised = frame.with_columns(elicitation=pl.lit("verbalised"))
    (plain,) = synthetic_distributions(Annotations.check(verbalised, _NAMES), pl.Series(["u"]))
    assert plain.q_NK == pytest.approx((answers[0] + answers[1]) / 2)


@pytest.mark.parametrize(("labels", "orders"), [(6, 6), (4, 4), (4, 8), (3, 6), (5, 10)])
def test_what_a_place_adds_cancels_in_a_balanced_set_of_orders(labels: int, orders: int) -> None:
    rng = np.random.default_rng(labels)
    names, truth_K, place_K = label_names(labels), rng.dirichlet(np.ones(labels)), rng.normal(0, 1, labels)
    frames = []
    for order in option_orders(labels, orders):
        shown_K = np.empty(labels)
        shown_K[list(order)] = place_K
        biased_K = truth_K * np.exp(shown_K)
        frames.append(annotation_frame((biased_K / biased_K.sum())[None], ["u"]))
    (alm,) = synthetic_distributions(Annotations.check(pl.concat(frames), names), pl.Series(["u"]))
    assert alm.q_NK[0] == pytest.approx(truth_K, abs=1e-9)


def test_a_probability_of_zero_in_one_answer_is_floored() -> None:
    frame = pl.concat(
        [annotation_frame(np.array([q_K]), ["u"]) for q_K in ([0.5, 0.5, 1e-300], [0.4, 0.3, 0.3])]
    )
    (alm,) = synthetic_distributions(Annotations.check(frame, _NAMES), pl.Series(["u"]))
    assert np.isfinite(alm.q_NK).all() and 1e-5 < alm.q_NK[0, 2] < 0.01
