"""Validation: how close every source of distributions comes to human votes that it was not made from.

The targets are human votes on the test speakers: the held-out ones where there are any, otherwise all of them
(the sources that were made from these very votes are then marked, as their figures are meaningless). For reference
there are the corpus *prior* (of the training speakers' votes, the same for every utterance) and the human *ceiling*
(a random half of an utterance's votes predicts the other half).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ambivox.models.errors import UserError
from ambivox.models.evaluation.ceiling import split_half
from ambivox.models.evaluation.human_targets import HumanTargets, human_targets
from ambivox.models.evaluation.rows import select
from ambivox.models.evaluation.saturation import Saturation, saturation
from ambivox.models.pooling.synthetic_distributions import SyntheticDistributions
from ambivox.models.statistics.agreement import fleiss_kappa, krippendorff_alpha
from ambivox.models.statistics.ambiguity import DEFINITIONS, ambiguity
from ambivox.models.statistics.corpus_prior import corpus_prior
from ambivox.models.statistics.intervals import Interval, mean_interval, ratio_interval
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.tables import SOURCES, Distributions, Utterances, Votes


@dataclass(frozen=True)
class Validation:
    """Scores of N test utterances, and everything that is computed from them.

    Attributes:
        targets: the utterances and their target votes.
        predictions: ``p_NK`` by source, the prior included.
        js: ``js_N`` by source, prior and ceiling included; nan where it is undefined.
        ceiling: the ceiling's scores per utterance by name (js, bc, accuracy).
        known_truth: mean JS to the known distributions by source, where the corpus has them.
        ambiguity: ambiguity per utterance by definition.
        human_agreement: agreement statistics of the human votes.
        saturation: the saturation curve by ALM.
        level: coverage of all intervals.
        seed: of all drawing.
    """

    targets: HumanTargets
    predictions: dict[str, np.ndarray]
    js: dict[str, np.ndarray]
    ceiling: dict[str, np.ndarray]
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

    def interval(self, score_N: np.ndarray, mask_N: np.ndarray | None = None) -> Interval:
        """Mean of a score with its interval over speakers.

        Args:
            score_N: a score per utterance; those that are nan are left out.
            mask_N: True for the utterances to average over; None for all.
        """
        used_N = np.isfinite(score_N) if mask_N is None else np.isfinite(score_N) & mask_N
        speakers = select(self.targets.speakers, used_N)
        return mean_interval(score_N[used_N], speakers, level=self.level)

    def ratio(self, source: str, to: str = "human", mask_N: np.ndarray | None = None) -> Interval:
        """Mean JS of a source over that of another, on the utterances where both are defined.

        Args:
            source: the numerator.
            to: the denominator.
            mask_N: True for the utterances to average over; None for all.
        """
        used_N = np.isfinite(self.js[source]) & np.isfinite(self.js[to])
        used_N = used_N if mask_N is None else used_N & mask_N
        return ratio_interval(
            self.js[source][used_N],
            self.js[to][used_N],
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
        utterances: of the corpus, all splits; the prior comes from the split "train".
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
    train_NK = votes.counts(utterances.in_splits("train").frame["utterance_id"])
    predictions = {source: distributions[source].aligned(targets.ids) for source in _ordered(distributions)}
    predictions["prior"] = np.tile(corpus_prior(train_NK), (len(targets.ids), 1))
    ceiling = split_half(targets.all_NK, seed=seed)
    validation = Validation(
        targets,
        predictions,
        {source: jensen_shannon(targets.p_NK, p_NK) for source, p_NK in predictions.items()}
        | {"ceiling": ceiling["js"]},
        ceiling,
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
            validation.known_truth[source] = validation.interval(jensen_shannon(known_NK, p_NK))
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


def _with_votes(distributions: dict[str, Distributions]) -> dict[str, Distributions]:
    """Leave out the ALM's own sources where no ALM answered: they would show the corpus prior under another name."""
    synthetic = distributions.get("synthetic")
    if synthetic is None or synthetic.frame["equivalent_votes"].sum() > 0:
        return distributions
    return {name: table for name, table in distributions.items() if name not in ("synthetic", "combined")}


def _ordered(distributions: dict[str, Distributions]) -> list[str]:
    """The sources of SOURCES in their order, then any others."""
    known = [source for source in SOURCES if source in distributions]
    return known + [source for source in distributions if source not in SOURCES]
