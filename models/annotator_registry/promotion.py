"""Whether a new annotator is better than the one that stands: a pilot, checks, and a paired bootstrap.

The pilot is the utterances with the most human votes, of the train and development speakers: the test
speakers judge the pipeline's results, so they must not choose its annotator. Both annotators' distributions
are scored by JS (base 2) to the human votes of the same utterances; the gain's interval resamples speakers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.synthetic_distributions import synthetic_distributions
from ambivox.models.statistics.bootstrap import Interval
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.paired_tests import paired_test
from ambivox.models.tables import Annotations, Utterances, Votes

PILOT_SPLITS = ("train", "development")
MOST_REFUSALS = 0.2
LEAST_LABEL_MASS = 0.01


@dataclass(frozen=True)
class Comparison:
    """JS of both annotators on the pilot; ``gain`` is current - candidate, positive where the candidate is better."""

    utterances: int
    js_candidate: float
    js_current: float
    gain: Interval
    p_value: float

    def better_by(self, margin: float) -> bool:
        """Whether the gain reaches the margin and its interval lies above zero."""
        return bool(self.gain.value >= margin and self.gain.low > 0)


def pilot(utterances: Utterances, votes: Votes, size: int) -> Utterances:
    """The ``size`` utterances of the pilot splits with the most human votes (ties by id).

    Raises:
        UserError: no utterance of these splits has a human vote.
    """
    counted = votes.frame.filter(pl.col("annotator_kind") == "human").group_by("utterance_id")
    ranked = (
        utterances.in_splits(*PILOT_SPLITS)
        .frame.join(counted.agg(pl.col("weight").sum().alias("_votes")), on="utterance_id")
        .sort("_votes", "utterance_id", descending=[True, False])
        .head(size)
        .drop("_votes")
    )
    if not ranked.height:
        raise UserError(
            f"no utterance of the splits {', '.join(PILOT_SPLITS)} has a human vote to try an annotator on"
        )
    return Utterances.check(ranked, utterances.labels)


def answers(annotations: Annotations, utterance_ids: pl.Series) -> np.ndarray:
    """An annotator's mean distribution per utterance, ``q_NK``; uniform where it refused every prompt.

    A refusing annotator is thus scored as knowing nothing, so that silence never looks better than an answer.
    """
    found = [one.q_NK for one in synthetic_distributions(annotations, utterance_ids)]
    if len(found) > 1:
        raise UserError(f"the answers are of {len(found)} ALMs; expected one")
    uniform_NK = np.full((len(utterance_ids), len(annotations.labels)), 1 / len(annotations.labels))
    return np.where(np.isnan(found[0]), uniform_NK, found[0]) if found else uniform_NK


def prior(votes: Votes, utterance_ids: pl.Series) -> np.ndarray:
    """The corpus prior, the same for every utterance: what a first annotator must beat."""
    n_NK = votes.counts(utterance_ids)
    return np.broadcast_to(corpus_prior(n_NK), n_NK.shape)


def compare(
    votes: Votes, tried: Utterances, candidate_NK: np.ndarray, current_NK: np.ndarray, seed: int = 0
) -> Comparison:
    """Score both on the pilot's human votes; resample its speakers."""
    truth_NK = _shares(votes.counts(tried.frame["utterance_id"]))
    candidate_N, current_N = jensen_shannon(truth_NK, candidate_NK), jensen_shannon(truth_NK, current_NK)
    test = paired_test(current_N, candidate_N, tried.frame["speaker"].to_list(), resamples=2000, seed=seed)
    return Comparison(
        len(tried), float(candidate_N.mean()), float(current_N.mean()), test.difference, test.p_value
    )


def objections(annotations: Annotations, hears: bool | None) -> list[str]:
    """Why this annotator must not be trusted, whatever its score: deafness, refusals, answers beside the labels."""
    found = []
    if hears is False:
        found.append("it does not hear: another clip hardly changes its answers")
    if not len(annotations):
        return [*found, "it gave no answers"]
    refused = float(annotations.frame["refused"].to_numpy().mean())
    if refused > MOST_REFUSALS:
        found.append(f"it refused {refused:.0%} of the prompts")
    mass = annotations.frame["label_mass"].drop_nulls().to_numpy()
    if len(mass) and mass.mean() < LEAST_LABEL_MASS:
        found.append(f"it puts {mass.mean():.2%} on the labels, the rest on other words")
    return found


def _shares(n_NK: np.ndarray) -> np.ndarray:
    shares: np.ndarray = n_NK / n_NK.sum(1, keepdims=True)
    return shares
