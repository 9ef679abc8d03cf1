"""Several ALMs in one answer: by hand, missing answers, copies, and weights that find what each adds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from ambivox.models.pooling.stacking import fit_stack, stack


def test_the_product_by_hand_and_what_remains_of_it_without_answers() -> None:
    nothing = [np.nan, np.nan]
    q_NAK = np.array([[[0.8, 0.2], [0.5, 0.5]], [nothing, [0.6, 0.4]], [nothing, nothing]])
    c_NK = stack(q_NAK, np.array([0.9, 0.4]))
    first = 0.8**0.9 / (0.8**0.9 + 0.2**0.9)
    assert c_NK[0] == pytest.approx([first, 1 - first])
    assert c_NK[1] == pytest.approx([0.6, 0.4]) and np.isnan(c_NK[2]).all()
    assert np.isnan(stack(q_NAK, np.zeros(2))).all()
    assert np.isnan(stack(np.zeros((2, 0, 3)), np.zeros(0))).all()


def _answers(seed: int, noise: float, logits_NK: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(softmax(logits_NK + rng.normal(0, noise, logits_NK.shape), axis=1))


def test_weights_follow_what_each_alm_adds() -> None:
    rng = np.random.default_rng(1)
    logits_NK = rng.normal(0, 1.5, (4000, 4))
    n_NK = np.array([rng.multinomial(5, p_K) for p_K in softmax(logits_NK, axis=1)]).astype(float)
    good_NK, other_NK = _answers(2, 0.5, logits_NK), _answers(3, 1.0, logits_NK)
    weights_A = fit_stack(n_NK, np.stack([good_NK, other_NK], axis=1), np.array([True, True]))
    assert weights_A[0] > 2 * weights_A[1] > 0.1
    copies_A = fit_stack(n_NK, np.stack([good_NK, good_NK], axis=1), np.array([True, True]))
    alone_NK = stack(good_NK[:, None], np.ones(1)) ** copies_A.sum()
    assert copies_A.sum() == pytest.approx(1.0, abs=0.2)
    assert stack(np.stack([good_NK, good_NK], axis=1), copies_A) == pytest.approx(
        alone_NK / alone_NK.sum(1, keepdims=True)
    )


def test_one_alm_alone_keeps_its_answer_and_unused_ones_have_no_weight() -> None:
    rng = np.random.default_rng(4)
    q_NAK = rng.dirichlet(np.ones(3), (50, 2))
    n_NK = rng.multinomial(3, np.full(3, 1 / 3), 50).astype(float)
    assert fit_stack(n_NK, q_NAK, np.array([False, True])).tolist() == [0.0, 1.0]
    assert fit_stack(n_NK, q_NAK, np.array([False, False])).tolist() == [0.0, 0.0]
    apart_NAK = q_NAK.copy()
    apart_NAK[:25, 0], apart_NAK[25:, 1] = np.nan, np.nan  # nobody answered by both
    assert fit_stack(n_NK, apart_NAK, np.array([True, True])).tolist() == [0.5, 0.5]
