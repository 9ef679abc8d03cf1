"""Whether a candidate is better than the annotator in use: a pilot, trust checks, and a test with an error budget.

The pilot is utterances of the train and development speakers, as many of each speaker as possible: results are reported
on the test speakers, so these must not choose the annotator. What counts is what an annotator adds: its answers are
pooled with as many human votes as the corpus has, by a model fitted on other speakers of the pilot, and scored by the
negative log-likelihood (nll, nats) of the votes that were not pooled. As pooling calibrates every annotator, one that is
only sharper or flatter than another is neither better nor worse.

A candidate is better where the gain in nll is significant over speakers. Every trial is one more chance of a false
promotion, so the i-th one is tested at the level ``ERROR_BUDGET / (i (i + 1))``: these levels sum to ERROR_BUDGET over
any number of trials (alpha spending, Lan and DeMets 1983). The budget is half of the 5 % that are promised: the models are
fitted on the other speakers of the same pilot, so that intervals over few speakers are a little too narrow.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs, speaker_numbers
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.pooling.score_curves import cross_fitted_nll
from ambivox.models.pooling.synthetic_distributions import synthetic_distributions
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.statistics.intervals import Interval, mean_interval
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.statistics.vote_draws import draw_votes
from ambivox.models.tables import Annotations, Utterances, Votes

PILOT_SPLITS = ("train", "development")
MAX_REFUSAL_RATE = 0.2
MIN_LABEL_MASS = 0.01
ERROR_BUDGET = 0.025  # sum of the levels of all trials of a corpus


def level_of_trial(number: int) -> float:
    """The level at which the ``number``-th trial of a corpus is tested.

    Args:
        number: from 1 up.

    Examples:
        >>> [round(level_of_trial(number), 4) for number in (1, 2, 10)]
        [0.0125, 0.0042, 0.0002]
    """
    return ERROR_BUDGET / (number * (number + 1))


@dataclass(frozen=True)
class Comparison:
    """A candidate beside a baseline on the pilot.

    Attributes:
        utterances: How many utterances.
        nll_candidate: Mean negative log-likelihood (nats per vote) of the human votes that were not pooled, given human
            votes pooled with the candidate's answers.
        nll_baseline: That with the baseline's answers.
        js_candidate: Mean JS divergence (base 2, 0 to 1) of the candidate's answers alone to the human votes.
        js_baseline: That of the baseline.
        equivalent_votes: Human votes that the candidate's answers about an utterance count for, on average, beside as many
            votes as are in use.
        gain: ``nll_baseline - nll_candidate`` with its interval over speakers; positive where the candidate is better.
        level: Of the one-sided test; the interval has the coverage ``1 - 2 level``.
    """

    utterances: int
    nll_candidate: float
    nll_baseline: float
    js_candidate: float
    js_baseline: float
    equivalent_votes: float
    gain: Interval
    level: float

    def better_by(self, margin: float) -> bool:
        """Whether the gain is at least ``margin`` and its interval lies above zero."""
        return bool(self.gain.value >= margin and self.gain.low > 0)


def pilot_utterances(utterances: Utterances, votes: Votes, size: int) -> Utterances:
    """``size`` utterances of the pilot splits, spread evenly over their speakers.

    Of each speaker, those with the most human votes are taken first; ties are broken by a hash of the id, so that no
    sentence or emotion is favoured. An utterance of an unknown speaker counts as a speaker.

    Raises:
        UserError: No utterance of these splits has a human vote.
    """
    human = votes.frame.filter(pl.col("annotator_kind") == "human").group_by("utterance_id")
    voted = utterances.in_splits(*PILOT_SPLITS).frame.join(
        human.agg(pl.col("weight").sum().alias("_votes")), on="utterance_id"
    )
    if not voted.height:
        raise UserError(
            f"no utterance of the splits {', '.join(PILOT_SPLITS)} has a human vote; a pilot needs some"
        )
    ids = voted["utterance_id"].to_list()
    pilot = (
        voted.with_columns(
            _speaker=Utterances.speakers_apart(voted), _hash=pl.Series([_hash(name) for name in ids])
        )
        .sort("_votes", "_hash", descending=[True, False])
        .with_columns(_turn=pl.int_range(pl.len()).over("_speaker"))
        .sort("_turn", "_hash")
        .head(size)
        .drop("_votes", "_speaker", "_hash", "_turn")
    )
    return Utterances.check(pilot, utterances.labels)


def mean_answers(annotations: Annotations, utterance_ids: pl.Series) -> np.ndarray:
    """An annotator's mean distribution per utterance, ``q_NK``; nan where it refused every prompt.

    Raises:
        UserError: The annotations are of more than one ALM.
    """
    per_alm = synthetic_distributions(annotations, utterance_ids)
    if len(per_alm) > 1:
        raise UserError(f"the annotations are of {len(per_alm)} ALMs; expected one")
    return per_alm[0].q_NK if per_alm else np.full((len(utterance_ids), len(annotations.labels)), np.nan)


def compare(
    votes: Votes,
    pilot: Utterances,
    candidate_NK: np.ndarray,
    baseline_NK: np.ndarray | None,
    *,
    votes_in_use: float = 3,
    level: float = ERROR_BUDGET / 2,
    seed: int = 0,
) -> Comparison:
    """Score both on the pilot's human votes, over its speakers.

    Args:
        votes: The human votes.
        pilot: The N utterances of the pilot.
        candidate_NK: The candidate's distributions; rows of nan where it did not answer.
        baseline_NK: The baseline's distributions; None where there is no annotator: its nll is that of the votes pooled with
            the mixture, its JS that of the corpus prior.
        votes_in_use: Human votes per utterance that the annotator will be pooled with.
        level: Of the one-sided test, see ``level_of_trial``.
        seed: Seed of the folds, and of the draws of the pooled votes.

    Returns:
        Both scores and the gain with its interval.
    """
    n_NK = votes.counts(pilot.frame["utterance_id"])
    speaker_N = speaker_numbers(pilot)
    silent_NK = np.full_like(candidate_NK, np.nan)
    q_N2K = np.stack([candidate_NK, silent_NK if baseline_NK is None else baseline_NK], axis=1)
    inputs = PoolingInputs(n_NK, q_N2K, np.full(q_N2K.shape[:2], np.nan), speaker_N)

    def fit(alms: tuple[int, ...], part: PoolingInputs, known: int) -> PoolingModel:
        names = [("candidate", "baseline")[a] for a in alms]
        return fit_pooling(
            pilot.labels, names, part.with_alms(alms), np.full(1, float(known)), matrix=False, seed=seed
        )

    candidate_N, baseline_N = (
        cross_fitted_nll(alms, inputs, votes_in_use, fit, seed=seed)
        for alms in ((0,), () if baseline_NK is None else (1,))
    )
    alone = inputs.with_alms((0,))
    in_use = max(round(votes_in_use), 1)
    in_use_NK = draw_votes(n_NK, np.full(len(n_NK), in_use), np.random.default_rng(seed))
    kappa_NA = pool(fit((0,), alone, in_use), in_use_NK, alone.q_NAK).kappa_NA
    truth_NK = n_NK / n_NK.sum(1, keepdims=True)
    prior_NK = np.broadcast_to(corpus_prior(n_NK), n_NK.shape)
    return Comparison(
        len(pilot),
        float(candidate_N.mean()),
        float(baseline_N.mean()),
        float(jensen_shannon(truth_NK, _informed(candidate_NK)).mean()),
        float(jensen_shannon(truth_NK, prior_NK if baseline_NK is None else _informed(baseline_NK)).mean()),
        float(kappa_NA.mean()),
        mean_interval(baseline_N - candidate_N, speaker_N, level=1 - 2 * level),
        level,
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


def _informed(q_NK: np.ndarray) -> np.ndarray:
    """Uniform where an annotator did not answer: it scores worse than an informed answer."""
    return np.where(np.isnan(q_NK), 1 / q_NK.shape[1], q_NK)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
