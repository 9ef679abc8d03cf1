"""How reliable each identified rater is, by Dawid and Skene (1979) or MACE (Hovy et al. 2013), from crowd-kit.

Both assume that every utterance has one true label, which emotion does not have. So their answer is never a
target here, only a weight: a rater who answers at random says less about how an utterance is heard than one
who listens. Weights are shrunk to the mean by ten votes, as few votes tell little of a rater, and have mean 1 over
the votes, so that N keeps its meaning. Needs the extra ``raters``, and raters with more than one vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.tables import Votes

Method = Literal["dawid_skene", "mace"]
METHODS: tuple[Method, ...] = ("dawid_skene", "mace")
_SHRINKAGE_VOTES = 10.0
_ITERATIONS = 50


@dataclass(frozen=True)
class Reliability:
    """Per rater: votes, reliability in [0, 1], and the weight of a vote (mean 1 over all votes)."""

    method: Method
    frame: pl.DataFrame  # annotator_id, votes, reliability, weight

    def weigh(self, votes: Votes) -> Votes:
        """The votes with their weights multiplied by the raters' (those of unknown raters stay)."""
        weights = self.frame.select("annotator_id", pl.col("weight").alias("_of_rater"))
        joined = votes.frame.join(weights, on="annotator_id", how="left", maintain_order="left")
        weighed = pl.col("weight") * pl.col("_of_rater").fill_null(1.0)
        return Votes(joined.with_columns(weight=weighed).drop("_of_rater"), votes.labels)


def reliability(votes: Votes, method: Method, *, seed: int = 0) -> Reliability:
    """Estimate every rater's reliability.

    Args:
        votes: human votes; a rater's several labels for one utterance count as votes of their own.
        method: "dawid_skene": the chance that the rater gives the true label, averaged over true labels;
            "mace": the chance that the rater knows it and does not guess.
        seed: of MACE's starting points.

    Raises:
        UserError: an unknown method, or raters who cannot be told apart (one vote each, as in CREMA-D).
        MissingExtraError: crowd-kit is not installed.
    """
    if method not in METHODS:
        raise UserError(f"unknown method of rating raters {method!r}; known: {', '.join(METHODS)}")
    counts = votes.frame.group_by("annotator_id").agg(pl.len().alias("votes")).sort("annotator_id")
    if not counts.height or counts["votes"].max() == 1:
        raise UserError(
            f"{counts.height} raters have no more than one vote each, so their reliability cannot be told; "
            "this needs raters with identities (use --raters alike)"
        )
    try:
        from crowdkit.aggregation import MACE, DawidSkene
    except ImportError as error:
        raise MissingExtraError("crowd-kit", "raters") from error
    # crowd-kit takes row labels for identities: ids go in as given, behind a letter, so that none is a number.
    data = votes.frame.select(
        task="u" + pl.col("utterance_id"), worker="a" + pl.col("annotator_id"), label="l" + pl.col("label")
    ).to_pandas()
    if method == "mace":
        fitted = MACE(n_iter=_ITERATIONS, n_restarts=2, random_state=seed).fit(data)
        known = dict(zip(data["worker"].drop_duplicates(), fitted.spamming_[:, 1].tolist(), strict=True))
    else:
        known = _dawid_skene(DawidSkene(n_iter=_ITERATIONS).fit(data))
    reliability_A = np.array([known["a" + name] for name in counts["annotator_id"]])
    votes_A = counts["votes"].to_numpy().astype(float)
    mean = (reliability_A * votes_A).sum() / votes_A.sum()
    shrunk_A = (reliability_A * votes_A + mean * _SHRINKAGE_VOTES) / (votes_A + _SHRINKAGE_VOTES)
    weight_A = shrunk_A / ((shrunk_A * votes_A).sum() / votes_A.sum())
    frame = counts.with_columns(reliability=pl.Series(reliability_A), weight=pl.Series(weight_A))
    return Reliability(method, frame)


def _dawid_skene(fitted: object) -> dict[str, float]:
    """``sum_k prior_k P(answer k | truth k)`` of every worker; a label that a worker never gave counts as 0."""
    priors, errors = fitted.priors_, fitted.errors_  # type: ignore[attr-defined]
    chance: dict[str, float] = {}
    for (worker, label), row in errors.iterrows():
        chance[worker] = chance.get(worker, 0.0) + float(priors[label]) * float(row[label])
    return chance
