"""What an ALM adds to the others: a second listener of its own adds, noise does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from ambivox.models.pooling.added import measure_added
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel
from tests.support.pooling_tables import label_names


def _fit(alms: tuple[int, ...], part: PoolingInputs, known: int) -> PoolingModel:
    names = [f"alm{a}" for a in alms]
    return fit_pooling(label_names(3), names, part.with_alms(alms), np.full(1, float(known)))


def _inputs(rows: int = 600, votes: int = 3, speakers: int = 12) -> PoolingInputs:
    rng = np.random.default_rng(1)
    logits_NK = rng.normal(0, 1.5, (rows, 3))
    n_NK = np.array([rng.multinomial(votes, p_K) for p_K in softmax(logits_NK, axis=1)]).astype(float)
    heard_NAK = softmax(logits_NK[:, None] + rng.normal(0, 0.8, (rows, 3, 3)), axis=2)
    heard_NAK[:, 2] = rng.dirichlet(np.ones(3), rows)
    return PoolingInputs(n_NK, heard_NAK, np.ones((rows, 3)), np.arange(rows) % speakers)


def test_two_listeners_add_to_each_other_and_noise_adds_nothing() -> None:
    first, second, noise = measure_added(3, _inputs(), 3, _fit)
    assert first is not None and second is not None and noise is not None
    assert min(first.low, second.low) > 0.005
    assert (noise.value, noise.low, noise.high) == pytest.approx((0, 0, 0), abs=1e-3)


def test_one_alm_one_speaker_and_one_vote_cannot_tell() -> None:
    inputs = _inputs(rows=30)
    assert measure_added(1, inputs.with_alms((0,)), 3, _fit) == (None,)
    assert measure_added(2, _inputs(rows=30, speakers=1), 3, _fit) == (None, None)
    assert measure_added(2, _inputs(rows=30, votes=1), 3, _fit) == (None, None)
