"""Whether a candidate is better than the annotator in use: a pilot, trust checks, and a paired bootstrap.

The pilot is the utterances with the most human votes, of the train and development speakers: results are
reported on the test speakers, so these must not choose the annotator. Both annotators' distributions
are scored by JS (base 2) to the human votes of the same utterances; the gain's interval resamples speakers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.synthetic_distributions import synthetic_distributions
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.statistics.intervals import Interval
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.paired_tests import paired_test
from ambivox.models.tables import Annotations, Utterances, Votes

PILOT_SPLITS = ("train", "development")
MAX_REFUSAL_RATE = 0.2
MIN_LABEL_MASS = 0.01
_RESAMPLES = 2000


@dataclass(frozen=True)
class Comparison:
    """A candidate beside a baseline on the pilot.

    Attributes:
        utterances: How many utterances.
        js_candidate: Mean JS divergence (base 2, 0 to 1) of the candidate to the human votes.
        js_baseline: That of the baseline.
        gain: ``js_baseline - js_candidate`` with its 95 % interval over speakers; positive where the candidate
            is better.
        p_value: Two-sided, of the paired sign-flip test over speakers.
    """

    utterances: int
    js_candidate: float
    js_baseline: float
    gain: Interval
    p_value: float

    def better_by(self, margin: float) -> bool:
        """Whether the gain is at least ``margin`` and its interval lies above zero."""
        return bool(self.gain.value >= margin and self.gain.low > 0)


def pilot_utterances(utterances: Utterances, votes: Votes, size: int) -> Utterances:
    """The ``size`` utterances of the pilot splits with the most human votes (ties by id).

    Raises:
        UserError: No utterance of these splits has a human vote.
    """
    human = votes.frame.filter(pl.col("annotator_kind") == "human").group_by("utterance_id")
    ranked = (
        utterances.in_splits(*PILOT_SPLITS)
        .frame.join(human.agg(pl.col("weight").sum().alias("_votes")), on="utterance_id")
        .sort("_votes", "utterance_id", descending=[True, False])
        .head(size)
        .drop("_votes")
    )
    if not ranked.height:
        raise UserError(
            f"no utterance of the splits {', '.join(PILOT_SPLITS)} has a human vote; a pilot needs some"
        )
    return Utterances.check(ranked, utterances.labels)


def mean_answers(annotations: Annotations, utterance_ids: pl.Series) -> np.ndarray:
    """An annotator's mean distribution per utterance, ``q_NK``; uniform where it refused every prompt.

    The uniform distribution scores worse than an informed answer, so refusing never improves the score.

    Raises:
        UserError: The annotations are of more than one ALM.
    """
    per_alm = synthetic_distributions(annotations, utterance_ids)
    if len(per_alm) > 1:
        raise UserError(f"the annotations are of {len(per_alm)} ALMs; expected one")
    uniform_NK = np.full((len(utterance_ids), len(annotations.labels)), 1 / len(annotations.labels))
    if not per_alm:
        return uniform_NK
    q_NK = per_alm[0].q_NK
    return np.where(np.isnan(q_NK), uniform_NK, q_NK)


def prior_per_utterance(votes: Votes, utterance_ids: pl.Series) -> np.ndarray:
    """The corpus prior, repeated per utterance (N, K): the baseline of a corpus's first annotator."""
    n_NK = votes.counts(utterance_ids)
    return np.broadcast_to(corpus_prior(n_NK), n_NK.shape)


def compare(
    votes: Votes, pilot: Utterances, candidate_NK: np.ndarray, baseline_NK: np.ndarray, seed: int = 0
) -> Comparison:
    """Score both on the pilot's human votes; resample its speakers.

    Args:
        votes: The human votes.
        pilot: The N utterances of the pilot.
        candidate_NK: The candidate's distributions; rows sum to 1.
        baseline_NK: The baseline's distributions.
        seed: Seed of the bootstrap.

    Returns:
        Both scores and the gain with its interval.
    """
    truth_NK = _shares(votes.counts(pilot.frame["utterance_id"]))
    candidate_N, baseline_N = jensen_shannon(truth_NK, candidate_NK), jensen_shannon(truth_NK, baseline_NK)
    speakers = pilot.frame["speaker"].to_list()
    test = paired_test(baseline_N, candidate_N, speakers, resamples=_RESAMPLES, seed=seed)
    return Comparison(
        len(pilot), float(candidate_N.mean()), float(baseline_N.mean()), test.difference, test.p_value
    )


def objections(annotations: Annotations, audio_sensitive: bool | None) -> list[str]:
    """Why an annotator must not be trusted, whatever its score; empty where nothing was found.

    Args:
        annotations: Its answers on the pilot.
        audio_sensitive: Whether another clip's audio changes its answers; None where that was not checked.

    Returns:
        One phrase per failed check: audio sensitivity, refusals, probability on the labels.
    """
    reasons = []
    if audio_sensitive is False:
        reasons.append("its answers do not depend on the audio")
    if not len(annotations):
        return [*reasons, "it gave no answers"]
    refusal_rate = float(annotations.frame["refused"].to_numpy().mean())
    if refusal_rate > MAX_REFUSAL_RATE:
        reasons.append(f"it refused {refusal_rate:.0%} of the prompts")
    label_mass = annotations.frame["label_mass"].drop_nulls().to_numpy()
    if len(label_mass) and label_mass.mean() < MIN_LABEL_MASS:
        reasons.append(
            f"it puts {label_mass.mean():.2%} of its probability on the labels, expected at least {MIN_LABEL_MASS:.0%}"
        )
    return reasons


def _shares(n_NK: np.ndarray) -> np.ndarray:
    shares_NK: np.ndarray = n_NK / n_NK.sum(1, keepdims=True)
    return shares_NK
