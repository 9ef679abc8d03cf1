"""The corpus prior by hand, and for a corpus without votes."""

from __future__ import annotations

import numpy as np
import pytest

from ambivox.models.statistics.corpus_prior import corpus_prior


def test_prior_by_hand() -> None:
    # (3 + 0.5) / (4 + 1.5), (1 + 0.5) / 5.5, 0.5 / 5.5
    n_NK = np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert corpus_prior(n_NK) == pytest.approx(np.array([3.5, 1.5, 0.5]) / 5.5)


def test_every_vote_counts_once_however_many_its_utterance_has() -> None:
    apart_NK = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert corpus_prior(apart_NK).tolist() == corpus_prior(np.array([[2.0, 1.0]])).tolist()


def test_without_votes_the_prior_is_uniform() -> None:
    assert corpus_prior(np.zeros((0, 4))).tolist() == [0.25] * 4
    assert corpus_prior(np.zeros((3, 2))).tolist() == [0.5, 0.5]
