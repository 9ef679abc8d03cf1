"""Cross-fitting: no speaker's votes reach the model that the speaker is scored under."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel
from ambivox.models.pooling.score_curves import cross_fitted_nll, speaker_folds
from tests.support.pooling_tables import label_names, simulated_corpus


def _fit(alms: tuple[int, ...], part: PoolingInputs, known: int) -> PoolingModel:
    return fit_pooling(label_names(4), ["alm"] * len(alms), part.with_alms(alms), np.full(1, float(known)))


@pytest.mark.parametrize("alms", [(), (0,)])
def test_a_speakers_votes_cannot_reach_its_own_model(alms: tuple[int, ...]) -> None:
    inputs = simulated_corpus(rows=240, votes=6, speakers=12, seed=8).inputs
    is_own_N = inputs.speaker_N == 5
    is_changed_N = is_own_N & (np.arange(240) % 2 == 0)  # the speaker's other utterances show the model
    n_NK = inputs.n_NK.copy()
    n_NK[is_changed_N] = n_NK[is_changed_N][:, ::-1]
    before_N, after_N = (
        cross_fitted_nll(alms, each, 3, _fit) for each in (inputs, replace(inputs, n_NK=n_NK))
    )
    (fold_N,) = [fold_N for fold_N in speaker_folds(inputs.speaker_N, 5, 0) if fold_N[is_own_N].any()]
    assert after_N[fold_N & ~is_changed_N].tolist() == before_N[fold_N & ~is_changed_N].tolist()
    assert (is_own_N & ~is_changed_N).sum() > 5
    assert (np.abs(after_N - before_N)[~fold_N] > 1e-9).all()  # all other models have seen the change


def test_a_single_speaker_is_scored_under_its_own_model() -> None:
    inputs = simulated_corpus(rows=40, votes=6, speakers=1).inputs
    assert np.isfinite(cross_fitted_nll((), inputs, 3, _fit)).all()
