"""``ambivox.pool`` and ``ambivox.equivalent_votes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.api.arguments import check_result_columns, real_number, whole_number
from ambivox.models.api.frames import UTTERANCE, Frame, like
from ambivox.models.api.inputs import Inputs, read_inputs
from ambivox.models.errors import UserError
from ambivox.models.pooling.credible import credible_interval
from ambivox.models.pooling.fit import fit_pooling
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool_blocks
from ambivox.models.pooling.response import Criterion
from ambivox.models.pooling.worth import measure_worth


def pool(
    votes: Frame,
    probabilities: Frame | Mapping[str, Frame] | None = None,
    *,
    speakers: Frame | Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    interval: float = 0.9,
    criterion: Criterion = "likelihood",
    seed: int = 0,
) -> Any:
    """Pool human votes and ALMs' distributions into one distribution per utterance.

    How much an ALM and the votes on other utterances count for is learnt from the votes. Without ``probabilities``, votes
    are pooled with what the other utterances' votes say (models/pooling/mixture.py).

    Args:
        votes: a row per vote (``utterance_id``, ``label``, and where known ``annotator_id``, ``weight``), or a row per
            utterance with the number of votes per label. A list of tuples is (utterance, annotator, label). The labels that
            one annotator gives to one utterance share one vote, in proportion to their ``weight``; without
            ``annotator_id`` a row is a vote, or as many as its ``weight`` says.
        probabilities: a row per utterance with a probability per label, summing to 1; a mapping from names to such
            frames for several ALMs. Utterances may be missing, or have no votes. A row without any number is of an ALM that
            did not answer.
        speakers: who speaks, as a mapping or a frame with ``utterance_id`` and ``speaker``; the fit cross-validates
            over speakers, so they should be given where utterances share them. A speaker that is None or nan is not known.
        labels: a list of the labels in their order. If not given, they are the columns of numbers of ``probabilities``
            (without those that a result of ``pool`` has beside the labels); without ``probabilities``, the labels that votes
            name, or all columns of numbers of votes. Columns that cannot be labels are refused: 0 everywhere and named by no
            vote; or in votes not whole, far larger than all others, or called ``age`` or ``duration``, for example.
        interval: the nominal coverage of the credible intervals, between 0 and 1. In simulations with three votes,
            intervals of 0.9 held 0.89 to 0.92 of the true probabilities, without an ALM and with one worth 4 or 60 votes.
        criterion: what the fit optimises; see docs/decisions/14-proper-scores.md.
        seed: of all random draws.

    Returns:
        A frame like ``votes`` with ``utterance_id``, a column per label, ``<label>_low`` and ``<label>_high`` (the
        posterior's interval), ``human_votes``, and ``equivalent_votes`` (what the ALMs counted for).

    Raises:
        UserError: a frame lacks columns, labels do not fit together, or rows are no distributions.

    Examples:
        >>> votes = [("u1", "r1", "anger"), ("u1", "r2", "joy"), ("u2", "r1", "joy"), ("u2", "r2", "joy")]
        >>> pool(votes).select("utterance_id", "human_votes").rows()
        [('u1', 2.0), ('u2', 2.0)]
    """
    if not 0 < real_number(interval, "interval") < 1:
        raise UserError(f"interval must be between 0 and 1, found {interval}")
    seed = whole_number(seed, "seed", 0)
    given = read_inputs(votes, probabilities, speakers, labels)
    ends = [f"{label}_{end}" for label in given.labels for end in ("low", "high")]
    check_result_columns(given.labels, [UTTERANCE, *ends, "human_votes", "equivalent_votes"])
    model = fit(given, given.arrays, criterion, seed)
    pooled = pool_blocks(model, given.arrays.n_NK, given.arrays.q_NAK, given.arrays.label_mass_NA)
    low_NK, high_NK = credible_interval(pooled.posterior_mean_NK, pooled.variance_NK, interval)
    low_NK, high_NK = np.minimum(low_NK, pooled.p_NK), np.maximum(high_NK, pooled.p_NK)
    columns: dict[str, Any] = {UTTERANCE: given.ids}
    columns |= {label: pooled.p_NK[:, k] for k, label in enumerate(given.labels)}
    for k, label in enumerate(given.labels):
        columns |= {f"{label}_low": low_NK[:, k], f"{label}_high": high_NK[:, k]}
    columns |= {"human_votes": given.arrays.n_NK.sum(1), "equivalent_votes": pooled.kappa_NA.sum(1)}
    return like(pl.DataFrame(columns)[given.order.tolist()], votes)


def equivalent_votes(
    votes: Frame,
    probabilities: Frame | Mapping[str, Frame],
    *,
    speakers: Frame | Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    votes_in_use: float | None = None,
    seed: int = 0,
) -> Any:
    """What each ALM is worth in human votes, measured on votes that are left out, by cross-fitting over speakers.

    "Worth k" says that pooling without the ALM needs k further human votes to reach the score with it.

    Args:
        votes: see ``pool``; utterances need at least two votes.
        probabilities: see ``pool``.
        speakers: see ``pool``.
        labels: see ``pool``.
        votes_in_use: the number of votes per utterance that the ALM is used with; the median if not given.
        seed: of folds and draws.

    Returns:
        A frame like ``votes`` with ``alm``, ``score`` (nll, squared_error), ``equivalent_votes``, ``low``, ``high`` (95 %
        over speakers), ``votes`` (known votes), ``utterances`` and ``speakers``; nan where it cannot be measured.

    Raises:
        UserError: see ``pool``.
    """
    seed = whole_number(seed, "seed", 0)
    if votes_in_use is not None and real_number(votes_in_use, "votes_in_use") <= 0:
        raise UserError(f"votes_in_use must be above 0, found {votes_in_use}")
    given = read_inputs(votes, probabilities, speakers, labels)
    if not given.alms:
        raise UserError("probabilities: found no ALM, expected at least one")
    voted = given.arrays.rows(given.arrays.n_NK.sum(1) > 0)
    in_use = float(np.median(voted.n_NK.sum(1))) if votes_in_use is None else votes_in_use

    def fit_part(alms: tuple[int, ...], part: PoolingInputs, in_use: float) -> PoolingModel:
        names = [given.alms[a] for a in alms]
        return fit_pooling(given.labels, names, part.with_alms(alms), np.array([in_use]), seed=seed)

    rows = []
    for alm, worth in zip(
        given.alms, measure_worth(given.alms, voted, in_use, fit_part, seed=seed), strict=True
    ):
        for score in ("nll", "squared_error"):
            rate = worth.overall[score] if worth else None
            rows.append(
                {
                    "alm": alm,
                    "score": score,
                    "equivalent_votes": rate.value if rate else float("nan"),
                    "low": rate.low if rate else float("nan"),
                    "high": rate.high if rate else float("nan"),
                    "votes": worth.votes if worth else 0,
                    "utterances": worth.utterances if worth else 0,
                    "speakers": worth.speakers if worth else 0,
                }
            )
    return like(pl.DataFrame(rows), votes)


def fit(given: Inputs, part: PoolingInputs, criterion: Criterion, seed: int) -> PoolingModel:
    """The pooling model fitted on some of the utterances.

    Args:
        given: labels and names of the ALMs.
        part: the utterances to fit on; those without votes are left out.
        criterion: see ``pool``.
        seed: see ``pool``.
    """
    votes_N = part.n_NK.sum(1)
    if not votes_N.any():
        raise UserError("votes: found no vote, expected at least one")
    return fit_pooling(given.labels, given.alms, part, votes_N[votes_N > 0], criterion=criterion, seed=seed)
