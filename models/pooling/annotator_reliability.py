"""Reliability of identified human annotators, by Dawid and Skene (1979) or MACE (Hovy et al. 2013).

Both methods, from crowd-kit, assume that every utterance has one true label, which does not hold for emotion.
Their estimate is therefore never a target here, only a weight that reduces the influence of annotators who answer
at random. Weights are shrunk to the mean with the strength of ten votes, because few votes do not determine an
annotator's reliability. Their mean over the votes is 1, so the number of votes N keeps its meaning. Needs the
extra ``raters``, and annotators with more than one vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from ambivox.models.errors import MissingExtraError, UserError, unknown
from ambivox.models.tables import Votes

Method = Literal["dawid_skene", "mace"]
METHODS: tuple[Method, ...] = ("dawid_skene", "mace")
_SHRINKAGE_VOTES = 10.0
_ITERATIONS = 50


@dataclass(frozen=True)
class Reliability:
    """The reliability of every annotator.

    Attributes:
        method: how it was estimated.
        frame: annotator_id, votes, reliability (0 to 1), weight (of a vote; mean 1 over all votes).
    """

    method: Method
    frame: pl.DataFrame

    def weigh(self, votes: Votes) -> Votes:
        """Multiply the weights of votes by those of their annotators.

        Args:
            votes: votes to weight; those of annotators without an estimate keep their weight.
        """
        weights = self.frame.select("annotator_id", pl.col("weight").alias("_annotator_weight"))
        joined = votes.frame.join(weights, on="annotator_id", how="left", maintain_order="left")
        weight = pl.col("weight") * pl.col("_annotator_weight").fill_null(1.0)
        return Votes(joined.with_columns(weight=weight).drop("_annotator_weight"), votes.labels)


def reliability(votes: Votes, method: Method, *, seed: int = 0) -> Reliability:
    """Estimate every annotator's reliability.

    Args:
        votes: human votes; an annotator who named more than one label for an utterance has one vote per label.
        method: "dawid_skene": the probability that the annotator gives the true label, averaged over true
            labels; "mace": the probability that the annotator knows the label and does not guess.
        seed: of MACE's starting points.

    Raises:
        UserError: an unknown method, or annotators without identity (one vote each).
        MissingExtraError: crowd-kit is not installed.
    """
    if method not in METHODS:
        raise unknown("reliability method", method, METHODS)
    counts = votes.frame.group_by("annotator_id").agg(pl.len().alias("votes")).sort("annotator_id")
    if not counts.height or counts["votes"].max() == 1:
        raise UserError(
            f"none of the {counts.height} annotators has more than one vote, so their reliability cannot be "
            "estimated; use --raters alike for votes without annotator identities"
        )
    try:
        from crowdkit.aggregation import MACE, DawidSkene
    except ImportError as error:
        raise MissingExtraError("crowd-kit", "raters") from error
    # A letter before every id keeps pandas from reading ids as numbers.
    data = votes.frame.select(
        task="u" + pl.col("utterance_id"), worker="a" + pl.col("annotator_id"), label="l" + pl.col("label")
    ).to_pandas()
    if method == "mace":
        fitted = MACE(n_iter=_ITERATIONS, n_restarts=2, random_state=seed).fit(data)
        by_worker = dict(zip(data["worker"].drop_duplicates(), fitted.spamming_[:, 1].tolist(), strict=True))
    else:
        by_worker = _dawid_skene(DawidSkene(n_iter=_ITERATIONS).fit(data))
    reliability_A = np.array([by_worker["a" + name] for name in counts["annotator_id"]])
    votes_A = counts["votes"].to_numpy().astype(float)
    mean = (reliability_A * votes_A).sum() / votes_A.sum()
    shrunk_A = (reliability_A * votes_A + mean * _SHRINKAGE_VOTES) / (votes_A + _SHRINKAGE_VOTES)
    weight_A = shrunk_A / ((shrunk_A * votes_A).sum() / votes_A.sum())
    frame = counts.with_columns(reliability=pl.Series(reliability_A), weight=pl.Series(weight_A))
    return Reliability(method, frame)


def _dawid_skene(fitted: object) -> dict[str, float]:
    """``sum_k prior_k P(answer k | truth k)`` of every worker; a label that a worker never gave counts as 0."""
    priors, errors = fitted.priors_, fitted.errors_  # type: ignore[attr-defined]
    probability: dict[str, float] = {}
    for (worker, label), row in errors.iterrows():
        probability[worker] = probability.get(worker, 0.0) + float(priors[label]) * float(row[label])
    return probability
