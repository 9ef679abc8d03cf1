"""Promotion: the choice of the pilot, the paired comparison, and objections."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.annotator_registry.promotion import (
    compare,
    mean_answers,
    objections,
    pilot_utterances,
    prior_per_utterance,
)
from ambivox.models.errors import UserError
from ambivox.models.tables import Annotations
from tests.support.pilot_tables import LABELS, annotations, corpus


def test_pilot_takes_the_most_voted_of_train_and_development() -> None:
    utterances, votes, _ = corpus()
    pilot = pilot_utterances(utterances, votes, 30)
    assert set(pilot.frame["split"]) <= {"train", "development"}
    votes_N = votes.counts(pilot.frame["utterance_id"]).sum(1)
    assert len(pilot) == 30
    assert (np.diff(votes_N) <= 0).all()
    assert votes_N.min() >= 6
    with pytest.raises(UserError, match="no utterance of the splits"):
        pilot_utterances(utterances.in_splits("test"), votes, 30)


def test_better_is_promoted_and_worse_or_equal_is_not() -> None:
    utterances, votes, truth_NK = corpus(400)
    pilot = pilot_utterances(utterances, votes, 200)
    row = dict(zip(utterances.frame["utterance_id"], range(len(utterances)), strict=True))
    true_NK = truth_NK[[row[name] for name in pilot.frame["utterance_id"]]]
    good_NK, poor_NK = 0.7 * true_NK + 0.1, 0.2 * true_NK + 0.8 / 3
    assert compare(votes, pilot, good_NK, poor_NK).better_by(0.01)
    assert not compare(votes, pilot, poor_NK, good_NK).better_by(0.0)
    assert not compare(votes, pilot, good_NK, good_NK).better_by(0.0)
    assert not compare(votes, pilot, good_NK, poor_NK).better_by(0.5)
    comparison = compare(votes, pilot, good_NK, prior_per_utterance(votes, pilot.frame["utterance_id"]))
    assert comparison.gain.low <= comparison.gain.value <= comparison.gain.high
    assert comparison.gain.value == pytest.approx(comparison.js_baseline - comparison.js_candidate)


def test_answers_are_averaged_over_prompts_and_uniform_without_any() -> None:
    ids = pl.Series(["u1", "u2", "u3"])
    one = annotations(ids, np.array([[0.2, 0.3, 0.5]] * 3), refused=0.34)
    other = annotations(ids.head(2), np.array([[0.6, 0.2, 0.2]] * 2))
    both = Annotations.check(pl.concat([one.frame, other.frame]), LABELS)
    expected = [[0.6, 0.2, 0.2], [0.4, 0.25, 0.35], [0.2, 0.3, 0.5]]
    np.testing.assert_allclose(mean_answers(both, ids), expected)
    silent = annotations(ids, np.full((3, 3), 1 / 3), refused=1.0)
    np.testing.assert_allclose(mean_answers(silent, ids), 1 / 3)


def test_sampled_answers_are_counted() -> None:
    frame = annotations(pl.Series(["u1"] * 4), np.full((4, 3), 1 / 3)).frame.with_columns(
        logprobs=pl.lit(None, dtype=pl.List(pl.Float64)), label=pl.Series(["a", "a", "b", "c"])
    )
    # Half a pseudo-vote per label: (2 + 0.5) / (4 + 1.5).
    np.testing.assert_allclose(
        mean_answers(Annotations.check(frame, LABELS), pl.Series(["u1"])), [[5 / 11, 3 / 11, 3 / 11]]
    )


def test_objections() -> None:
    ids, uniform = pl.Series([f"u{n}" for n in range(10)]), np.full((10, 3), 1 / 3)
    assert objections(annotations(ids, uniform), True) == []
    assert "do not depend on the audio" in objections(annotations(ids, uniform), False)[0]
    assert "refused 50%" in objections(annotations(ids, uniform, refused=0.5), None)[0]
    assert "on the labels" in objections(annotations(ids, uniform, mass=0.001), None)[0]
