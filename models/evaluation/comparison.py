"""Validation: how close every source of distributions comes to human votes that it has not seen.

Targets are human votes of the test split only: the held-back ones where there are any, otherwise all of
them (then the sources that were made from these very votes are marked, since their figures say nothing).
Beside the sources stand the corpus *prior* (the distribution of the training speakers' votes for every
utterance) and the *ceiling* (people against people: one random half of an utterance's votes predicts the
other).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.evaluation.saturation import Saturation, saturation
from ambivox.models.pooling.synthetic import Synthetic
from ambivox.models.statistics import metrics
from ambivox.models.statistics.agreement import fleiss_kappa, krippendorff_alpha
from ambivox.models.statistics.ambiguity import DEFINITIONS, ambiguity, shares
from ambivox.models.statistics.bootstrap import Interval, mean_interval, ratio_interval
from ambivox.models.statistics.vote_draws import draw_votes
from ambivox.models.tables import SOURCES, Distributions, Utterances, Votes

CEILING_DRAWS = 10


@dataclass(frozen=True)
class Validation:
    """Scores of N test utterances (rows of ``scores``) and everything that is computed from them."""

    labels: tuple[str, ...]
    target: str  # "held-out votes" or "all votes"
    utterances: pl.DataFrame  # of the rows
    truth_NK: np.ndarray
    predictions: dict[str, np.ndarray]  # p_NK by source, prior included
    js: dict[str, np.ndarray]  # js_N by source, prior and ceiling included; nan where it is undefined
    bc: dict[str, np.ndarray]
    ceiling_accuracy_N: np.ndarray
    known_truth: dict[str, Interval]  # JS to the known truth by source, where there is one
    ambiguity: dict[str, np.ndarray]  # by definition
    raters: dict[str, float]  # agreement of the human votes
    saturation: dict[str, Saturation] = field(default_factory=dict)  # by ALM
    level: float = 0.95
    resamples: int = 1000
    seed: int = 0

    @property
    def speakers(self) -> list[str | None]:
        """The speaker of every row."""
        return self.utterances["speaker"].to_list()

    def interval(
        self,
        score_N: np.ndarray,
        mask_N: np.ndarray | None = None,
        *,
        over: Literal["speakers", "utterances"] = "speakers",
    ) -> Interval:
        """Mean of a score with its bootstrap interval over speakers (or utterances); undefined rows are left out."""
        used_N = np.isfinite(score_N) if mask_N is None else np.isfinite(score_N) & mask_N
        speakers = [speaker for speaker, used in zip(self.speakers, used_N, strict=True) if used]
        groups = speakers if over == "speakers" else None
        return mean_interval(
            score_N[used_N], groups, resamples=self.resamples, level=self.level, seed=self.seed
        )

    def ratio(self, source: str, to: str = "human", mask_N: np.ndarray | None = None) -> Interval:
        """Mean JS of ``source`` over that of ``to``, on rows where both are defined."""
        used_N = np.isfinite(self.js[source]) & np.isfinite(self.js[to])
        used_N = used_N if mask_N is None else used_N & mask_N
        groups = [speaker for speaker, used in zip(self.speakers, used_N, strict=True) if used]
        return ratio_interval(
            self.js[source][used_N],
            self.js[to][used_N],
            groups,
            resamples=self.resamples,
            level=self.level,
            seed=self.seed,
        )


def validate(
    utterances: Utterances,
    votes: Votes,
    heldout: Votes,
    distributions: dict[str, Distributions],
    opinions: tuple[Synthetic, ...],
    test: Utterances,
    *,
    truth: Distributions | None = None,
    saturation_votes: int = 20,
    resamples: int = 1000,
    seed: int = 0,
) -> Validation:
    """Score every source against the human votes of the test utterances.

    Args:
        utterances: all of the corpus (the prior comes from those of the split "train").
        votes: the human votes that the sources were made from.
        heldout: those held back; may be empty.
        distributions: tables by source.
        opinions: the ALMs' answers for ``test``, row by row.
        test: the utterances of the split "test".
        truth: known distributions, where the corpus is made up.
        saturation_votes: the longest run of synthetic votes.
        resamples: of every bootstrap.
        seed: of all drawing.

    Raises:
        UserError: label sets that differ, or no test utterance with a vote to be scored against.
    """
    labels = votes.labels
    for name, table in [("heldout", heldout), *distributions.items(), *([("truth", truth)] if truth else [])]:
        if table is not None and table.labels != labels:
            raise UserError(
                f"{name} is about the labels {list(table.labels)}, the votes about {list(labels)}"
            )
    ids = test.frame["utterance_id"]
    kept_NK, held_NK = votes.counts(ids), heldout.counts(ids)
    holding = bool(held_NK.sum() > 0)
    target_NK = held_NK if holding else kept_NK
    scored_N = target_NK.sum(1) > 0
    if not scored_N.any():
        raise UserError(
            "no utterance of the split test has a human vote to be scored against; "
            "ingest with --keep-votes, or give the test speakers votes"
        )
    ids, kept_NK, target_NK = ids.filter(pl.Series(scored_N)), kept_NK[scored_N], target_NK[scored_N]
    all_NK = kept_NK + held_NK[scored_N]
    truth_NK = shares(target_NK)
    train_K = votes.counts(utterances.in_splits("train").frame["utterance_id"]).sum(0) + 0.5
    predictions = {
        source: distributions[source].aligned(ids) for source in SOURCES if source in distributions
    }
    predictions |= {
        source: table.aligned(ids) for source, table in distributions.items() if source not in SOURCES
    }
    predictions["prior"] = np.tile(train_K / train_K.sum(), (len(ids), 1))
    js = {source: metrics.jensen_shannon(truth_NK, p_NK) for source, p_NK in predictions.items()}
    bc = {source: metrics.bhattacharyya(truth_NK, p_NK) for source, p_NK in predictions.items()}
    halves = split_half(all_NK, seed=seed)
    js["ceiling"], bc["ceiling"] = halves["js"], halves["bc"]
    made = Validation(
        labels,
        "held-out votes" if holding else "all votes",
        test.frame.filter(pl.Series(scored_N)),
        truth_NK,
        predictions,
        js,
        bc,
        halves["accuracy"],
        {},
        {name: ambiguity(all_NK, name) for name in DEFINITIONS},
        {
            "fleiss_kappa": fleiss_kappa(all_NK),
            "krippendorff_alpha": krippendorff_alpha(all_NK),
            "votes_per_utterance": float(all_NK.sum(1).mean()),
        },
        resamples=resamples,
        seed=seed,
    )
    if truth is not None:
        known_NK = truth.aligned(ids)
        for source, p_NK in predictions.items():
            made.known_truth[source] = made.interval(metrics.jensen_shannon(known_NK, p_NK))
    for opinion in opinions:
        q_NK = opinion.q_NK[scored_N]
        answered_N = np.isfinite(q_NK).all(1)
        if answered_N.any():
            made.saturation[opinion.alm] = saturation(
                truth_NK[answered_N], q_NK[answered_N], votes=saturation_votes, seed=seed
            )
    return made


def split_half(n_NK: np.ndarray, *, draws: int = CEILING_DRAWS, seed: int = 0) -> dict[str, np.ndarray]:
    """People against people: one random half of every utterance's votes predicts the other half.

    Returns:
        ``js``, ``bc`` and ``accuracy`` (is the dominant label the same?) of shape N, averaged over draws; nan
        for utterances with fewer than two votes. Halves have half the votes, so a model that is measured
        against all of them can stand a little closer.
    """
    rng = np.random.default_rng(seed)
    votes_N = np.ceil(n_NK - 1e-9).sum(1)
    enough_N = votes_N >= 2
    found = {name: np.where(enough_N, 0.0, np.nan) for name in ("js", "bc", "accuracy")}
    for _ in range(draws):
        first_NK = draw_votes(n_NK, votes_N // 2, rng)
        one_NK, other_NK = shares(first_NK[enough_N]), shares(np.maximum(n_NK - first_NK, 0)[enough_N])
        found["js"][enough_N] += metrics.jensen_shannon(one_NK, other_NK) / draws
        found["bc"][enough_N] += metrics.bhattacharyya(one_NK, other_NK) / draws
        found["accuracy"][enough_N] += (one_NK.argmax(1) == other_NK.argmax(1)) / draws
    return found
