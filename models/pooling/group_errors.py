"""Where pooling is worse than its posterior says: the squared error to the true distribution by group of utterances.

One pooling model holds for all speakers, so where the ALM is worse than elsewhere (for a group of speakers, or a label)
the posterior is too certain, and a plan of further votes by its own uncertainty passes the group over. Two votes that are
left out measure the error without bias: given the true distribution they are independent of each other and of what is
pooled, so the mean of ``(e_1 - p)(e_2 - p)`` is the squared error of p. It is measured with two votes fewer than there are,
and compared with what the posterior expects there. Groups are few and small: their differences are shrunk towards the mean
of all groups (models/pooling/group_shrinkage.py).

Where groups are dominant labels, the label is that of the distribution without the two votes: a group that depends on votes
which measure its error would be one of utterances on which they agree, or do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from ambivox.models.errors import TooLittleDataError, UserError
from ambivox.models.pooling.group_shrinkage import LEAST_CLUSTERS, GroupSums, shrunk_excess
from ambivox.models.pooling.inputs import PoolingInputs
from ambivox.models.pooling.pooled import PoolingModel, pool
from ambivox.models.statistics.age_groups import decades
from ambivox.models.statistics.intervals import Interval, ratio_interval


@dataclass(frozen=True)
class GroupError:
    """The squared error of the posterior mean in one group, with two votes fewer than there are.

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


@dataclass(frozen=True)
class _LeftOut:
    """P pairs of an utterance and the labels of two of its votes that are left out.

    Attributes:
        row_P: the utterance.
        label_P: the dominant label of its distribution without the two votes.
        weight_P: the share of its pairs of votes that have these labels.
        measured_P: the squared error by the two votes.
        expected_P: what the posterior expects.
    """

    row_P: np.ndarray
    label_P: np.ndarray
    weight_P: np.ndarray
    measured_P: np.ndarray
    expected_P: np.ndarray


def group_errors(
    model: PoolingModel,
    inputs: PoolingInputs,
    group_N: Sequence[str],
    *,
    is_label: bool = False,
    most: int = 4000,
    seed: int = 0,
) -> dict[str, GroupError]:
    """Measure the groups.

    Args:
        model: the fitted model.
        inputs: N utterances with their votes.
        group_N: the group of each.
        is_label: whether groups are dominant labels.
        most: utterances per group that are measured at most.
        seed: of their choice.

    Returns:
        By name of the group, in alphabetical order.

    Raises:
        TooLittleDataError: no utterance has two votes.
    """
    names_N, votes_N = np.asarray(group_N), inputs.slots_NK.sum(1)
    rng = np.random.default_rng(seed)
    names = sorted(set(group_N))
    chosen = []
    for name in names:
        rows = np.flatnonzero((names_N == name) & (votes_N >= 2))
        chosen.append(np.sort(rng.permutation(rows)[:most]))
    rows_M = np.concatenate(chosen)
    if not len(rows_M):
        raise TooLittleDataError(
            "no utterance has two votes, so nothing says where pooling is worse; plan without --by"
        )
    left_out = _left_out(model, inputs.rows(rows_M))
    name_P = np.array(model.labels)[left_out.label_P] if is_label else names_N[rows_M][left_out.row_P]
    groups = [_group(left_out, name_P == name, inputs.speaker_N[rows_M]) for name in names]
    expected_of_all = float(np.average(left_out.expected_P, weights=left_out.weight_P))
    error_of = {}
    for name, group, excess in zip(names, groups, shrunk_excess(groups), strict=True):
        weight = group.weight_M.sum()
        expected = float(group.expected_M.sum() / weight) if weight > 0 else expected_of_all
        measured = ratio_interval(group.measured_M, group.weight_M, group.cluster_M)
        ratio = max(0.0, 1 + float(excess) / max(expected, 1e-9))
        error_of[name] = GroupError(len(group.weight_M), expected, measured, ratio)
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


def _left_out(model: PoolingModel, inputs: PoolingInputs) -> _LeftOut:
    """The squared error of every utterance less two votes: unbiased from those two, and expected by the posterior."""
    slots_NK, labels = inputs.slots_NK, inputs.n_NK.shape[1]
    each_NK = inputs.n_NK / np.maximum(slots_NK, 1)  # the weight of one vote
    pairs_N = slots_NK.sum(1) * (slots_NK.sum(1) - 1)
    parts = []
    for first in range(labels):
        for second in range(first, labels):
            times_N = slots_NK[:, first] * (slots_NK[:, second] - (first == second))
            share_N = (1 if first == second else 2) * times_N / pairs_N
            rows = np.flatnonzero(share_N > 0)
            left_NK = inputs.n_NK[rows].copy()
            for label in (first, second):
                left_NK[:, label] -= each_NK[rows, label]
            result = pool(model, np.maximum(left_NK, 0), inputs.q_NAK[rows], inputs.label_mass_NA[rows])
            p_NK = result.posterior_mean_NK
            product_N = (p_NK**2).sum(1) - p_NK[:, first] - p_NK[:, second] + (first == second)
            parts.append((rows, p_NK.argmax(1), share_N[rows], product_N, result.variance_NK.sum(1)))
    return _LeftOut(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _group(left_out: _LeftOut, is_in_P: np.ndarray, speaker_N: np.ndarray) -> GroupSums:
    """The utterances with pairs in a group; most are in it with all of their pairs, or with none."""
    rows, row_P = np.unique(left_out.row_P[is_in_P], return_inverse=True)
    weight_P = left_out.weight_P[is_in_P]
    weight_M, measured_M, expected_M = (
        np.bincount(row_P, weights=weight_P * value_P, minlength=len(rows))
        for value_P in (1.0, left_out.measured_P[is_in_P], left_out.expected_P[is_in_P])
    )
    return GroupSums(weight_M, measured_M, expected_M, _clusters(speaker_N[rows]))


def _clusters(speaker_M: np.ndarray) -> np.ndarray:
    """What varies by chance within a group: speakers, or utterances where there is one speaker."""
    return speaker_M if len(np.unique(speaker_M)) >= LEAST_CLUSTERS else np.arange(len(speaker_M))
