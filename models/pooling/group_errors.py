"""Where pooling is worse than its posterior says: the squared error to the true distribution by group of utterances.

One pooling model holds for all speakers, so where the ALM is worse than elsewhere (for a group of speakers, or a label)
the posterior is too certain, and a plan of further votes by its own uncertainty passes the group over. Two votes that are
left out measure the error without bias: given the true distribution they are independent of each other and of what is
pooled, so the mean of ``(e_1 - p)(e_2 - p)`` is the squared error of p. It is measured with two votes fewer than there are,
and compared with what the posterior expects there. Groups are few and small: their differences are shrunk towards the mean
of all groups by how much more they differ than chance would have it (DerSimonian and Laird 1986).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from scipy.stats import norm
from scipy.stats import t as student_t

from ambivox.models.errors import TooLittleDataError, UserError
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.statistics.age_groups import decades
from ambivox.models.statistics.intervals import Interval, mean_interval

_LEAST_CLUSTERS = 2


@dataclass(frozen=True)
class GroupError:
    """The squared error of pooled in one group, with two votes fewer than there are.

    Attributes:
        utterances: on which it is measured: those with two votes or more.
        expected: what the posterior expects, the mean over these utterances.
        measured: what left-out votes say, with its 95 % interval over speakers, or over utterances in a group of one
            speaker; nan where there are none.
        ratio: the shrunk measured error over the expected one, 0 or more: 1 where the posterior is right.
    """

    utterances: int
    expected: float
    measured: Interval
    ratio: float


def groups(
    by: Literal["speaker", "sex", "age", "language", "label"],
    frame: pl.DataFrame,
    model: PoolingModel,
    inputs: PoolingInputs,
) -> list[str]:
    """The group of every utterance; "unknown" where the table does not say.

    Args:
        by: a column of the table, age in decades; or ``label``, the dominant label of the pooled distribution.
        frame: N utterances.
        model: the fitted model.
        inputs: their votes and ALMs' distributions.

    Raises:
        UserError: the table has no such column.
    """
    if by == "label":
        pooled = pool(model, inputs.n_NK, inputs.q_NAK, inputs.label_mass_NA)
        return [model.labels[k] for k in pooled.p_NK.argmax(1)]
    if by not in frame.columns or not frame[by].count():
        raise UserError(f"--by {by}: the table of utterances has no {by}; expected a column with values")
    column = decades(frame[by]) if by == "age" else frame[by].cast(pl.String)
    return column.fill_null("unknown").to_list()


def table(errors: dict[str, GroupError], group_N: Sequence[str], votes_N: np.ndarray) -> pl.DataFrame:
    """One row per group, the largest ratio first, with its planned votes.

    Args:
        errors: of ``group_errors``.
        group_N: the group of every utterance.
        votes_N: its planned votes.
    """
    planned = pl.DataFrame({"group": group_N, "votes": votes_N}).group_by("group").agg(pl.col("votes").sum())
    rows = [
        {
            "group": name,
            "utterances": error.utterances,
            "expected_squared_error": error.expected,
            "measured_squared_error": error.measured.value,
            "low": error.measured.low,
            "high": error.measured.high,
            "ratio": error.ratio,
        }
        for name, error in errors.items()
    ]
    return pl.DataFrame(rows).join(planned, on="group").sort("ratio", "group", descending=[True, False])


def group_errors(
    model: PoolingModel, inputs: PoolingInputs, group_N: Sequence[str], *, most: int = 4000, seed: int = 0
) -> dict[str, GroupError]:
    """Measure the groups.

    Args:
        model: the fitted model.
        inputs: N utterances with their votes.
        group_N: the group of each.
        most: utterances per group that are measured at most.
        seed: of their choice.

    Returns:
        By name of the group, in alphabetical order.

    Raises:
        TooLittleDataError: no utterance has two votes.
    """
    names_N, votes_N = np.asarray(group_N), inputs.slots_NK.sum(1)
    rng = np.random.default_rng(seed)
    rows_by_group = {}
    for name in sorted(set(group_N)):
        rows = np.flatnonzero((names_N == name) & (votes_N >= 2))
        rows_by_group[name] = np.sort(rng.permutation(rows)[:most])
    rows_M = np.concatenate(list(rows_by_group.values()))
    if not len(rows_M):
        raise TooLittleDataError(
            "no utterance has two votes, so nothing says where pooling is worse; plan without --by"
        )
    measured_M, expected_M = _errors(model, inputs.rows(rows_M))
    speaker_M, name_M = inputs.speaker_N[rows_M], names_N[rows_M]
    clusters = {name: _clusters(speaker_M[name_M == name]) for name in rows_by_group}
    shrunk = _shrunk(
        [(measured_M - expected_M)[name_M == name] for name in rows_by_group], list(clusters.values())
    )
    error_of = {}
    for (name, rows), excess in zip(rows_by_group.items(), shrunk, strict=True):
        expected = float(expected_M[name_M == name].mean()) if len(rows) else float(expected_M.mean())
        measured = mean_interval(measured_M[name_M == name], clusters[name])
        ratio = max(0.0, 1 + float(excess) / max(expected, 1e-9))
        error_of[name] = GroupError(len(rows), expected, measured, ratio)
    return error_of


def fall_factor(ratio_N: np.ndarray, weight_N: np.ndarray) -> np.ndarray:
    """By how much a vote lowers the squared error more than the posterior expects.

    A vote gets the weight ``w = 1 / (weight + 1)`` in the posterior's mean. Where the error before it is r times what the
    posterior expects, the fall is ``r + (1 - w)(r - 1)`` times what it expects: the error that is left shrinks by
    ``1 - (1 - w)^2``, and the vote's own scatter ``w^2`` stays as it is.

    Args:
        ratio_N: r of every utterance.
        weight_N: what its posterior counts for, in votes.

    Returns:
        ``factor_N``, 0 or more.

    Example:
        >>> fall_factor(np.array([1.0, 2.0, 0.1]), np.array([3.0, 3.0, 3.0])).tolist()
        [1.0, 2.75, 0.0]
    """
    factor_N: np.ndarray = np.maximum(0.0, ratio_N + (1 - 1 / (weight_N + 1)) * (ratio_N - 1))
    return factor_N


def _errors(model: PoolingModel, inputs: PoolingInputs) -> tuple[np.ndarray, np.ndarray]:
    """The squared error of every utterance less two votes: unbiased from those two, and expected by the posterior."""
    slots_NK, labels = inputs.slots_NK, inputs.n_NK.shape[1]
    each_NK = inputs.n_NK / np.maximum(slots_NK, 1)  # the weight of one vote
    pairs_N = slots_NK.sum(1) * (slots_NK.sum(1) - 1)
    measured_N, expected_N = np.zeros(len(pairs_N)), np.zeros(len(pairs_N))
    for first in range(labels):
        for second in range(first, labels):
            times_N = slots_NK[:, first] * (slots_NK[:, second] - (first == second))
            share_N = (1 if first == second else 2) * times_N / pairs_N
            rows = np.flatnonzero(share_N > 0)
            if not len(rows):
                continue
            left_NK = inputs.n_NK[rows].copy()
            for label in (first, second):
                left_NK[:, label] -= each_NK[rows, label]
            result = pool(model, np.maximum(left_NK, 0), inputs.q_NAK[rows], inputs.label_mass_NA[rows])
            p_NK = result.posterior_mean_NK
            product_N = (p_NK**2).sum(1) - p_NK[:, first] - p_NK[:, second] + (first == second)
            measured_N[rows] += share_N[rows] * product_N
            expected_N[rows] += share_N[rows] * result.variance_NK.sum(1)
    return measured_N, expected_N


def _clusters(speaker_M: np.ndarray) -> np.ndarray:
    """What varies by chance within a group: speakers, or utterances where there is one speaker."""
    return speaker_M if len(np.unique(speaker_M)) >= _LEAST_CLUSTERS else np.arange(len(speaker_M))


def _shrunk(excess: Sequence[np.ndarray], clusters: Sequence[np.ndarray]) -> np.ndarray:
    """The mean excess of every group, shrunk towards the mean of all groups."""
    groups = range(len(excess))
    mean_G = np.array([each.mean() if len(each) else 0.0 for each in excess])
    variance_G = np.array([_variance(excess[g], clusters[g]) for g in groups])
    weight_G = np.where(np.isfinite(variance_G), 1 / np.maximum(variance_G, 1e-12), 0.0)
    if not weight_G.any():
        return np.full(len(excess), np.concatenate(excess).mean())
    centre = float(np.average(mean_G, weights=weight_G))
    known = int((weight_G > 0).sum())
    spread = float((weight_G * (mean_G - centre) ** 2).sum()) - (known - 1)
    scale = float(weight_G.sum() - (weight_G**2).sum() / weight_G.sum())
    between = max(0.0, spread / scale) if scale > 0 else 0.0
    trust_G = between / (between + np.where(weight_G > 0, variance_G, np.inf)) if between else 0 * weight_G
    shrunk_G: np.ndarray = centre + trust_G * (mean_G - centre)
    return shrunk_G


def _variance(excess_M: np.ndarray, cluster_M: np.ndarray) -> float:
    """The variance of a mean over clusters; infinite where it cannot be known."""
    names, cluster_M = np.unique(cluster_M, return_inverse=True)
    if len(names) < _LEAST_CLUSTERS:
        return float("inf")
    sums_C = np.bincount(cluster_M, weights=excess_M - excess_M.mean())
    variance = len(names) / (len(names) - 1) * (sums_C**2).sum() / len(excess_M) ** 2
    # Few clusters understate it by chance, as Student's t allows for.
    return float(variance * (student_t.ppf(0.975, len(names) - 1) / norm.ppf(0.975)) ** 2)
