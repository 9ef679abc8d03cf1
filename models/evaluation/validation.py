"""Validation: how close every source of distributions comes to human votes that it was not made from.

The targets are human votes on the test speakers: the held-out ones where there are any, otherwise all of them
(the sources that were made from these very votes are then marked, as their figures are meaningless). Baselines are the
human votes *smoothed*, and pooled without any ALM: *human_prior* with the corpus prior, *human_mixture* with the mixture
of models/pooling/mixture.py. What an ALM adds is the distance from the latter. For reference there are the corpus *prior* (of the training speakers' votes, the same for every
utterance), the human *ceiling* (a random half of an utterance's votes predicts the other half), and the *floor* (what
the true distribution would score). Scores are those of models/evaluation/scores.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.evaluation.ambiguity_strata import AmbiguityStrata, ambiguity_strata
from ambivox.models.evaluation.ceiling import knowledge_floor, split_half
from ambivox.models.evaluation.human_targets import HumanTargets, human_targets
from ambivox.models.evaluation.rows import interval_of_defined, select
from ambivox.models.evaluation.saturation import Saturation, saturation
from ambivox.models.evaluation.scores import divergences, score_shares
from ambivox.models.pooling.inputs import FIT_SPLITS
from ambivox.models.pooling.synthetic_distributions import SyntheticDistributions
from ambivox.models.statistics.agreement import fleiss_kappa, krippendorff_alpha
from ambivox.models.statistics.ambiguity import DEFINITIONS, ambiguity
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.statistics.dominant_emotion import correct
from ambivox.models.statistics.intervals import Interval, ratio_interval
from ambivox.models.statistics.metrics import bhattacharyya, jensen_shannon
from ambivox.models.statistics.proper_scores import smoothed
from ambivox.models.tables import BASELINES, SOURCES, Distributions, Utterances, Votes

_FROM_HUMAN_VOTES = ("human", *BASELINES, "combined", "pooled")


@dataclass(frozen=True)
class Validation:
    """Scores of N test utterances, and everything that is computed from them.

    Attributes:
        targets: the utterances and their target votes.
        predictions: ``p_NK`` by source, the prior included.
        scores: ``score_N`` by source, prior, ceiling and floor included, and by name of the score; nan where it is
            undefined.
        strata: ambiguity tertiles; None where there are too few held-out votes.
        known_truth: mean JS to the known distributions by source, where the corpus has them.
        ambiguity: ambiguity of all human votes per utterance by definition: the tertiles of earlier versions.
        human_agreement: agreement statistics of the human votes.
        saturation: the saturation curve by ALM.
        level: coverage of all intervals.
        seed: of all drawing.
    """

    targets: HumanTargets
    predictions: dict[str, np.ndarray]
    scores: dict[str, dict[str, np.ndarray]]
    strata: AmbiguityStrata | None
    known_truth: dict[str, Interval]
    ambiguity: dict[str, np.ndarray]
    human_agreement: dict[str, float]
    saturation: dict[str, Saturation] = field(default_factory=dict)
    level: float = 0.95
    seed: int = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set."""
        return self.targets.labels

    @property
    def truth_NK(self) -> np.ndarray:  # noqa: N802  (arrays carry their axes in capitals)
        """The human distributions."""
        return self.targets.p_NK

    def is_made_from_target(self, source: str) -> bool:
        """Whether the votes that a source was made from are the target, so that its scores say nothing.

        Args:
            source: its name.
        """
        return not self.targets.held_out and source in _FROM_HUMAN_VOTES

    def without_target(self) -> Validation:
        """The same without the sources that are made from the target."""
        scores = {
            source: each for source, each in self.scores.items() if not self.is_made_from_target(source)
        }
        predictions = {source: each for source, each in self.predictions.items() if source in scores}
        return replace(self, scores=scores, predictions=predictions)

    def score(self, name: str) -> dict[str, np.ndarray]:
        """``score_N`` by source.

        Args:
            name: of the score, such as "nll".
        """
        return {source: scores[name] for source, scores in self.scores.items()}

    def interval(self, score_N: np.ndarray, mask_N: np.ndarray | None = None, score: str = "") -> Interval:
        """Mean of a score with its interval over speakers.

        Args:
            score_N: a score per utterance; those that are nan are left out.
            mask_N: True for the utterances to average over; None for all.
            score: its name, by which the bounds stay within its range.
        """
        masked_N = score_N if mask_N is None else np.where(mask_N, score_N, np.nan)
        return interval_of_defined(masked_N, self.targets.speakers, level=self.level, score=score)

    def ratio(
        self, source: str, to: str = "human", mask_N: np.ndarray | None = None, score: str = "js"
    ) -> Interval:
        """Mean score of a source over that of another, on the utterances where both are defined.

        Args:
            source: the numerator.
            to: the denominator.
            mask_N: True for the utterances to average over; None for all.
            score: of DIVERGENCES.
        """
        first_N, second_N = self.scores[source][score], self.scores[to][score]
        used_N = np.isfinite(first_N) & np.isfinite(second_N)
        used_N = used_N if mask_N is None else used_N & mask_N
        return ratio_interval(
            first_N[used_N],
            second_N[used_N],
            select(self.targets.speakers, used_N),
            level=self.level,
        )


def validate(
    utterances: Utterances,
    votes: Votes,
    heldout: Votes,
    distributions: dict[str, Distributions],
    synthetic: Sequence[SyntheticDistributions],
    *,
    truth: Distributions | None = None,
    saturation_votes: int = 20,
    seed: int = 0,
) -> Validation:
    """Score every source against the human votes on the test utterances.

    Args:
        utterances: of the corpus, all splits; the prior comes from the splits that pooling is fitted on.
        votes: the human votes that the sources were made from.
        heldout: votes held out; may be empty.
        distributions: tables by source.
        synthetic: the ALMs' distributions of the utterances of the split "test", in their order.
        truth: known distributions, where the corpus has them.
        saturation_votes: the largest number of synthetic votes of the saturation curve.
        seed: of all drawing.

    Raises:
        UserError: label sets that differ, or no test utterance with a vote to score against.
    """
    targets = human_targets(utterances, votes, heldout)
    distributions = _with_votes(distributions)
    for name, table in [*distributions.items(), *([("truth", truth)] if truth else [])]:
        if table.labels != targets.labels:
            raise UserError(
                f"{name} has the labels {', '.join(table.labels)}, the votes have {', '.join(targets.labels)}; "
                "pool again with the votes' label set"
            )
    prior_K = corpus_prior(votes.counts(utterances.in_splits(*FIT_SPLITS).frame["utterance_id"]))
    predictions = {source: distributions[source].aligned(targets.ids) for source in distributions}
    if "human" in predictions:
        predictions["human_smoothed"] = smoothed(votes.counts(targets.ids))
    predictions = {source: predictions[source] for source in _ordered(predictions)}
    predictions["prior"] = np.tile(prior_K, (len(targets.ids), 1))
    scores = {source: _scores(targets, p_NK) for source, p_NK in predictions.items()}
    scores["ceiling"] = split_half(targets.all_NK, vote_square_N=targets.all_vote_square_N, seed=seed)
    scores["floor"] = knowledge_floor(targets.all_NK, targets.n_NK, seed=seed)
    validation = Validation(
        targets,
        predictions,
        scores,
        ambiguity_strata(targets.n_NK, vote_square_N=targets.vote_square_N, seed=seed)
        if targets.held_out
        else None,
        {},
        {name: ambiguity(targets.all_NK, name) for name in DEFINITIONS},
        {
            "fleiss_kappa": fleiss_kappa(targets.all_NK),
            "krippendorff_alpha": krippendorff_alpha(targets.all_NK),
            "votes_per_utterance": float(targets.all_NK.sum(1).mean()),
        },
        seed=seed,
    )
    if truth is not None:
        known_NK = truth.aligned(targets.ids)
        for source, p_NK in predictions.items():
            validation.known_truth[source] = validation.interval(jensen_shannon(known_NK, p_NK), score="js")
    test_ids = utterances.in_splits("test").frame["utterance_id"]
    scored_N = test_ids.is_in(targets.ids.implode()).to_numpy()
    for alm in synthetic:
        q_NK = alm.q_NK[scored_N]
        answered_N = np.isfinite(q_NK).all(1)
        if answered_N.any():
            validation.saturation[alm.alm] = saturation(
                targets.p_NK[answered_N],
                q_NK[answered_N],
                groups_N=select(targets.speakers, answered_N),
                votes=saturation_votes,
                seed=seed,
            )
    return validation


def _scores(targets: HumanTargets, p_NK: np.ndarray) -> dict[str, np.ndarray]:
    return divergences(targets.n_NK, p_NK, targets.vote_square_N) | {
        "bc": score_shares(bhattacharyya, targets.n_NK, p_NK),
        "accuracy": score_shares(correct, targets.n_NK, p_NK),
    }


def _with_votes(distributions: dict[str, Distributions]) -> dict[str, Distributions]:
    """Leave out the ALM's own sources where no ALM answered: they would show the corpus prior under another name."""
    synthetic = distributions.get("synthetic")
    if synthetic is None or synthetic.frame["equivalent_votes"].sum() > 0:
        return distributions
    return {name: table for name, table in distributions.items() if name not in ("synthetic", "combined")}


def _ordered(predictions: dict[str, np.ndarray]) -> list[str]:
    """Baselines beside the human votes, then the other sources of SOURCES in their order, then any others."""
    reading_order = ("human", *BASELINES, *SOURCES[1:])
    known = [source for source in reading_order if source in predictions]
    return known + [source for source in predictions if source not in reading_order]
