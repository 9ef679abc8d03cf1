"""Promotion: the choice of the pilot, what counts as better, false promotions, and objections."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ambivox.models.annotator_registry.promotion import (
    ERROR_BUDGET,
    compare,
    level_of_trial,
    mean_answers,
    objections,
    pilot_utterances,
)
from ambivox.models.errors import UserError
from ambivox.models.statistics.intervals import mean_interval
from ambivox.models.tables import Annotations, Utterances, Votes
from tests.support.pilot_tables import LABELS, answered, corpus


def _noisy(truth_NK: np.ndarray, strength: float, seed: int) -> np.ndarray:
    """Answers that are the truth with noise: the larger ``strength``, the closer."""
    q_NK = np.random.default_rng(seed).standard_gamma(strength * truth_NK + 0.05) + 1e-4
    return np.asarray(q_NK / q_NK.sum(1, keepdims=True))


def _tempered(q_NK: np.ndarray, temperature: float) -> np.ndarray:
    power_NK = q_NK ** (1 / temperature)
    return np.asarray(power_NK / power_NK.sum(1, keepdims=True))


@pytest.fixture(scope="module")
def pilot() -> tuple[Utterances, Votes, np.ndarray]:
    """A pilot of 200 utterances, with their true distributions."""
    utterances, votes, truth_NK = corpus(600)
    chosen = pilot_utterances(utterances, votes, 200)
    row = {name: number for number, name in enumerate(utterances.frame["utterance_id"])}
    return chosen, votes, truth_NK[[row[name] for name in chosen.frame["utterance_id"]]]


def test_pilot_takes_the_most_voted_of_train_and_development() -> None:
    utterances, votes, _ = corpus()
    pilot = pilot_utterances(utterances, votes, 30)
    assert set(pilot.frame["split"]) <= {"train", "development"}
    assert len(pilot) == 30
    with pytest.raises(UserError, match="no utterance of the splits"):
        pilot_utterances(utterances.in_splits("test"), votes, 30)


@pytest.mark.parametrize("size", [7, 10, 25, 60])
def test_pilot_is_spread_over_the_speakers(size: int) -> None:
    utterances, votes, _ = corpus(400)
    pilot = pilot_utterances(utterances, votes, size)
    available = utterances.in_splits("train", "development").frame["speaker"].n_unique()
    per_speaker = pilot.frame["speaker"].value_counts()["count"]
    assert per_speaker.len() == min(size, available)
    assert per_speaker.max() - per_speaker.min() <= 1
    # Of a speaker, no utterance that was left out has more votes than one that was taken.
    votes_of = dict(
        zip(
            utterances.frame["utterance_id"],
            votes.counts(utterances.frame["utterance_id"]).sum(1),
            strict=True,
        )
    )
    rest = utterances.in_splits("train", "development").frame.join(pilot.frame, on="utterance_id", how="anti")
    for speaker in pilot.frame["speaker"].unique():
        taken = [votes_of[name] for name in pilot.frame.filter(speaker=speaker)["utterance_id"]]
        left = [votes_of[name] for name in rest.filter(speaker=speaker)["utterance_id"]]
        assert not left or min(taken) >= max(left)


def test_unknown_speakers_are_speakers_of_their_own() -> None:
    utterances, votes, _ = corpus(80)
    frame = utterances.frame.with_columns(speaker=pl.lit(None, dtype=pl.String))
    assert len(pilot_utterances(Utterances.check(frame, LABELS), votes, 15)) == 15


def test_equivalent_votes_are_beside_as_many_votes_as_are_in_use(
    pilot: tuple[Utterances, Votes, np.ndarray],
) -> None:
    chosen, votes, truth_NK = pilot
    few, many = (
        compare(votes, chosen, _noisy(truth_NK, 1, 0), None, votes_in_use=in_use).equivalent_votes
        for in_use in (1, 6)
    )
    assert abs(few - many) > 0.2


def test_better_is_promoted_and_worse_or_equal_is_not(pilot: tuple[Utterances, Votes, np.ndarray]) -> None:
    chosen, votes, truth_NK = pilot
    good_NK, poor_NK = _noisy(truth_NK, 30, 0), _noisy(truth_NK, 0.5, 1)
    better = compare(votes, chosen, good_NK, poor_NK)
    assert better.better_by(0.005) and not better.better_by(0.5)
    assert not compare(votes, chosen, poor_NK, good_NK).better_by(0.0)
    assert not compare(votes, chosen, good_NK, good_NK).better_by(0.0)
    first = compare(votes, chosen, good_NK, None)  # no annotator yet
    assert first.better_by(0.005)
    assert first.gain.low <= first.gain.value <= first.gain.high
    assert first.gain.value == pytest.approx(first.nll_baseline - first.nll_candidate)
    assert not compare(votes, chosen, np.full_like(good_NK, 1 / 3), None).better_by(0.0)


@pytest.mark.parametrize("temperature", [0.25, 0.5, 2.0, 4.0])
def test_sharper_or_flatter_is_neither_better_nor_worse(
    pilot: tuple[Utterances, Votes, np.ndarray], temperature: float
) -> None:
    chosen, votes, truth_NK = pilot
    # Not so sharp that the answers reach the floor of probabilities, where information is lost.
    answers_NK = 0.9 * _noisy(truth_NK, 8, 2) + 0.1 / 3
    changed_NK = _tempered(answers_NK, temperature)
    assert np.abs(changed_NK - answers_NK).max() > 0.1
    for candidate_NK, baseline_NK in ((changed_NK, answers_NK), (answers_NK, changed_NK)):
        comparison = compare(votes, chosen, candidate_NK, baseline_NK)
        assert abs(comparison.gain.value) < 0.002
        assert not comparison.better_by(0.005)


def test_the_levels_of_all_trials_stay_within_the_error_budget() -> None:
    assert sum(level_of_trial(number) for number in range(1, 10_000)) < ERROR_BUDGET


@pytest.mark.parametrize("speakers", [6, 15, 40])
def test_false_promotions_are_rare_over_ten_trials(speakers: int) -> None:
    """Gains of candidates that are no better: noise per speaker and utterance, ten trials on one pilot."""
    rng = np.random.default_rng(speakers)
    promoted, repeats = 0, 400
    for _ in range(repeats):
        speaker_N = np.arange(120) % speakers
        for number in range(1, 11):
            gain_N = rng.normal(0, 0.02, speakers)[speaker_N] + rng.normal(0, 0.1, 120)
            if mean_interval(gain_N, speaker_N, level=1 - 2 * level_of_trial(number)).low > 0:
                promoted += 1
                break
    assert promoted / repeats < ERROR_BUDGET + 0.025  # two standard errors


def test_answers_are_averaged_over_prompts_and_missing_without_any() -> None:
    ids = pl.Series(["u1", "u2", "u3"])
    one = answered(ids, np.array([[0.2, 0.3, 0.5]] * 3), refused=0.34)
    silent = answered(ids, np.full((3, 3), 1 / 3), refused=1.0)
    assert np.isnan(mean_answers(silent, ids)).all()
    np.testing.assert_allclose(mean_answers(one, ids)[1:], [[0.2, 0.3, 0.5]] * 2)
    assert np.isnan(mean_answers(one, ids)[0]).all()


def test_sampled_answers_are_counted() -> None:
    frame = answered(pl.Series(["u1"] * 4), np.full((4, 3), 1 / 3)).frame.with_columns(
        logprobs=pl.lit(None, dtype=pl.List(pl.Float64)), label=pl.Series(["a", "a", "b", "c"])
    )
    # Half a pseudo-vote per label: (2 + 0.5) / (4 + 1.5).
    np.testing.assert_allclose(
        mean_answers(Annotations.check(frame, LABELS), pl.Series(["u1"])), [[5 / 11, 3 / 11, 3 / 11]]
    )


def test_objections() -> None:
    ids, uniform = pl.Series([f"u{n}" for n in range(10)]), np.full((10, 3), 1 / 3)
    assert objections(answered(ids, uniform), True) == []
    assert "do not depend on the audio" in objections(answered(ids, uniform), False)[0]
    assert "refused 50%" in objections(answered(ids, uniform, refused=0.5), None)[0]
    assert "on the labels" in objections(answered(ids, uniform, mass=0.001), None)[0]
