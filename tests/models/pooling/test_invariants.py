"""What holds for every pooled distribution, whatever the votes and answers are."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool, pool_blocks
from ambivox.models.pooling.synthetic_distributions import synthetic_distributions
from ambivox.models.tables import Annotations
from tests.support.pooling_tables import SimulatedCorpus, annotation_frame, label_names, simulated_corpus

ROWS = 5
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def corpus() -> SimulatedCorpus:
    return simulated_corpus(rows=400, kappa=4.0, votes=3)


@pytest.fixture(scope="module")
def model(corpus: SimulatedCorpus) -> PoolingModel:
    return fit_pooling(label_names(corpus.n_NK.shape[1]), ["alm"], corpus.inputs, np.full(1, 3.0))


def labels_of(model: PoolingModel) -> int:
    return len(model.without_alms().labels)


@st.composite
def votes_and_answers(draw: st.DrawFn, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Votes of five utterances, none among them, and an ALM's distributions, certain ones and absent ones among them."""
    n_NK = draw(
        arrays(float, (ROWS, labels), elements=st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 7.0, 300.0]))
    )
    raw_NK = draw(arrays(float, (ROWS, labels), elements=st.sampled_from([0.0, 1e-9, 0.1, 1.0, 5.0])))
    total_N1 = raw_NK.sum(1, keepdims=True)
    q_NK = np.where(total_N1 > 0, raw_NK / np.where(total_N1 > 0, total_N1, 1), np.nan)
    return n_NK, q_NK[:, None]


@pytest.mark.parametrize("has_mass", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 7, 100])
def test_blocks_of_utterances_pool_as_all_together(model: PoolingModel, rows: int, has_mass: bool) -> None:
    corpus = simulated_corpus(rows=100, votes=3, seed=1)
    n_NK, q_NAK = corpus.n_NK[:rows].copy(), corpus.q_NK[:rows, None].copy()
    n_NK[::3], q_NAK[::2] = 0, np.nan
    mass_NA = np.random.default_rng(0).random((rows, 1)) if has_mass else None
    whole, blocks = pool(model, n_NK, q_NAK, mass_NA), pool_blocks(model, n_NK, q_NAK, mass_NA, block=7)
    for field in fields(whole):
        of_blocks, of_all = getattr(blocks, field.name), getattr(whole, field.name)
        assert of_blocks.dtype == of_all.dtype
        np.testing.assert_allclose(of_blocks, of_all, rtol=1e-12)


@quick
@given(data=st.data())
def test_pooled_is_a_distribution(model: PoolingModel, data: st.DataObject) -> None:
    n_NK, q_NAK = data.draw(votes_and_answers(labels_of(model)))
    p_NK = pool(model, n_NK, q_NAK).p_NK
    assert np.isfinite(p_NK).all()
    assert (p_NK >= 0).all()
    np.testing.assert_allclose(p_NK.sum(1), 1, atol=1e-9)


@quick
@given(data=st.data())
def test_a_vote_never_makes_its_own_label_less_probable(model: PoolingModel, data: st.DataObject) -> None:
    labels = labels_of(model)
    n_NK, q_NAK = data.draw(votes_and_answers(labels))
    label = data.draw(st.integers(0, labels - 1))
    more_NK = n_NK + np.eye(labels)[label]
    before, after = pool(model, n_NK, q_NAK), pool(model, more_NK, q_NAK)
    assert (after.p_NK[:, label] >= before.p_NK[:, label] - 1e-9).all()


@quick
@given(data=st.data())
def test_an_utterance_does_not_depend_on_the_others(model: PoolingModel, data: st.DataObject) -> None:
    n_NK, q_NAK = data.draw(votes_and_answers(labels_of(model)))
    kept = data.draw(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=ROWS, unique=True))
    together, alone = pool(model, n_NK, q_NAK), pool(model, n_NK[kept], q_NAK[kept])
    np.testing.assert_allclose(alone.p_NK, together.p_NK[kept], rtol=0, atol=1e-12)


@quick
@given(data=st.data(), is_absent=st.booleans())
def test_an_alm_without_equivalent_votes_leaves_human_votes_and_mixture(
    model: PoolingModel, data: st.DataObject, is_absent: bool
) -> None:
    n_NK, q_NAK = data.draw(votes_and_answers(labels_of(model)))
    silent = replace(model, alms=tuple(replace(alm, stack_weight=0.0) for alm in model.alms))
    found = pool(model, n_NK, np.full_like(q_NAK, np.nan)) if is_absent else pool(silent, n_NK, q_NAK)
    expected = pool(model.without_alms(), n_NK, q_NAK[:, :0])
    assert not found.kappa_NA.any()
    np.testing.assert_array_equal(found.p_NK, expected.p_NK)


def test_many_votes_outweigh_the_alm(model: PoolingModel) -> None:
    labels = labels_of(model)
    n_NK = np.full((1, labels), 0.0)
    n_NK[0, :2] = (6000.0, 4000.0)
    q_NAK = np.eye(labels)[None, None, labels - 1]
    p_K = pool(model, n_NK, q_NAK).p_NK[0]
    np.testing.assert_allclose(p_K, n_NK[0] / n_NK.sum(), atol=0.01)


@settings(quick, max_examples=15)
@given(data=st.data())
def test_an_alms_distribution_depends_on_no_other_utterance_and_on_no_order_of_answers_or_labels(
    data: st.DataObject,
) -> None:
    labels, prompts = 3, 4
    names, ids = label_names(labels), [f"u{number}" for number in range(ROWS)]
    frames = []
    for _ in range(prompts):
        q_NK = data.draw(votes_and_answers(labels))[1][:, 0]
        floored_NK = np.maximum(q_NK, 1e-12)
        frames.append(annotation_frame(floored_NK / floored_NK.sum(1, keepdims=True), ids))
    answers = pl.concat(frames)
    (together,) = synthetic_distributions(Annotations.check(answers, names), pl.Series(ids))
    kept = data.draw(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=ROWS, unique=True))
    order = data.draw(st.permutations(range(labels)))
    moved = (
        answers.filter(pl.col("utterance_id").is_in([ids[row] for row in kept]))
        .sample(fraction=1.0, shuffle=True, seed=data.draw(st.integers(0, 99)))
        .with_columns(pl.col("logprobs").list.gather(list(order)))
    )
    asked = pl.Series([ids[row] for row in kept])
    (alone,) = synthetic_distributions(
        Annotations.check(moved, tuple(names[place] for place in order)), asked
    )
    np.testing.assert_array_equal(alone.answers_N, together.answers_N[kept])
    np.testing.assert_array_equal(alone.refusals_N, together.refusals_N[kept])
    np.testing.assert_allclose(alone.q_NK, together.q_NK[kept][:, order], rtol=0, atol=1e-15)


@settings(quick, max_examples=2)
@given(data=st.data())
def test_the_order_of_the_labels_does_not_matter(
    corpus: SimulatedCorpus, model: PoolingModel, data: st.DataObject
) -> None:
    order = np.array(data.draw(st.permutations(range(corpus.n_NK.shape[1]))))
    inputs = corpus.inputs
    moved = PoolingInputs(
        inputs.n_NK[:, order], inputs.q_NAK[:, :, order], inputs.label_mass_NA, inputs.speaker_N
    )
    other = fit_pooling([label_names(len(order))[place] for place in order], ["alm"], moved, np.full(1, 3.0))
    expected_NK = pool(model, corpus.n_NK, corpus.q_NK[:, None]).p_NK[:, order]
    found_NK = pool(other, corpus.n_NK[:, order], corpus.q_NK[:, None][:, :, order]).p_NK
    np.testing.assert_allclose(found_NK, expected_NK, atol=2e-3)
