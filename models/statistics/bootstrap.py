"""Uncertainty of a mean: bootstrap intervals, over utterances or over speakers.

Utterances of one speaker are correlated, so an interval that resamples utterances is too narrow for the question
whether the result holds for other speakers. Given ``groups_N`` (speakers), groups are resampled with all their
utterances (the cluster bootstrap of Davison and Hinkley 1997, section 3.8).

Scores are computed once per utterance and system, ``score_NS``: a resample is then a weighted mean, and all
resamples of a block are one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK_CELLS = 4_000_000  # of the matrix of counts that is in memory at once: 32 MB
GroupIds = Sequence[str | None] | np.ndarray


@dataclass(frozen=True)
class Interval:
    """An estimate and its percentile interval; all three are nan where there are no utterances.

    Examples:
        >>> str(Interval(0.1234, 0.101, 0.14))
        '0.123 [0.101, 0.140]'
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Such as "0.123 [0.101, 0.140]"."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


UNDEFINED = Interval(float("nan"), float("nan"), float("nan"))


def group_index(groups_N: GroupIds | None, rows: int) -> np.ndarray:
    """A group number per row, ``group_N``, from 0 up.

    Args:
        groups_N: a group per row; None makes every row a group, and so does a None among them for its row.
        rows: N.

    Examples:
        >>> group_index(["a", "b", "a"], 3).tolist()
        [0, 1, 0]
    """
    if groups_N is None:
        return np.arange(rows)
    names = [f"g{name}" if name is not None else f"r{row}" for row, name in enumerate(groups_N)]
    return np.unique(names, return_inverse=True)[1].reshape(-1)


def resampled_means(
    score_NS: np.ndarray, groups_N: GroupIds | None = None, *, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Means over utterances in every bootstrap resample.

    All S columns share a resample, so differences and ratios of columns are paired.

    Args:
        score_NS: one finite score per utterance and system; a vector is one system.
        groups_N: a speaker per utterance; None resamples utterances.
        resamples: R.
        seed: of the resampling.

    Returns:
        ``mean_RS``; nan without utterances.

    Examples:
        >>> resampled_means(np.array([[2.0], [2.0]]), resamples=3).tolist()
        [[2.0], [2.0], [2.0]]
    """
    score_NS = np.atleast_2d(np.asarray(score_NS, dtype=np.float64).T).T
    if not len(score_NS):
        return np.full((resamples, score_NS.shape[1]), np.nan)
    sums_GS, count_G = group_sums(score_NS, group_index(groups_N, len(score_NS)))
    rng = np.random.default_rng(seed)
    groups = len(count_G)
    block = max(1, min(resamples, BLOCK_CELLS // groups))
    means = []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        times_RG = rng.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(np.float64)
        means.append((times_RG @ sums_GS) / (times_RG @ count_G)[:, None])
    return np.concatenate(means)


def mean_interval(
    score_N: np.ndarray,
    groups_N: GroupIds | None = None,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The mean of a score and its bootstrap interval.

    Args:
        score_N: one finite score per utterance.
        groups_N: a speaker per utterance; None resamples utterances.
        resamples: of the bootstrap.
        level: coverage of the interval, between 0 and 1.
        seed: of the resampling.

    Returns:
        The interval; nan without utterances.

    Examples:
        >>> mean_interval(np.array([0.5, 0.5, 0.5]))
        Interval(value=0.5, low=0.5, high=0.5)
    """
    if not len(score_N):
        return UNDEFINED
    mean_R = resampled_means(score_N, groups_N, resamples=resamples, seed=seed)[:, 0]
    return _percentile_interval(float(np.mean(score_N)), mean_R, level)


def ratio_interval(
    numerator_N: np.ndarray,
    denominator_N: np.ndarray,
    groups_N: GroupIds | None = None,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The ratio of the means of two scores of the same utterances, resampled together.

    Args:
        numerator_N: one finite score per utterance.
        denominator_N: one score of at least 0 per utterance.
        groups_N: a speaker per utterance; None resamples utterances.
        resamples: of the bootstrap; those whose denominator is 0 are left out.
        level: coverage of the interval, between 0 and 1.
        seed: of the resampling.

    Returns:
        The interval; nan without utterances, or where the mean of the denominator is 0.

    Examples:
        >>> ratio_interval(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
        Interval(value=0.5, low=0.5, high=0.5)
    """
    if not len(numerator_N) or not np.mean(denominator_N):
        return UNDEFINED
    score_N2 = np.stack([numerator_N, denominator_N], axis=1)
    mean_R2 = resampled_means(score_N2, groups_N, resamples=resamples, seed=seed)
    defined_R2 = mean_R2[mean_R2[:, 1] > 0]
    value = float(np.mean(numerator_N) / np.mean(denominator_N))
    return _percentile_interval(value, defined_R2[:, 0] / defined_R2[:, 1], level)


def group_sums(score_NS: np.ndarray, group_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of scores and numbers of utterances per group.

    Args:
        score_NS: one score per utterance and system.
        group_N: a group number per utterance, see ``group_index``.

    Returns:
        ``(sums_GS, count_G)``.

    Examples:
        >>> sums_GS, count_G = group_sums(np.array([[1.0], [2.0], [4.0]]), np.array([0, 1, 0]))
        >>> sums_GS.tolist(), count_G.tolist()
        ([[5.0], [2.0]], [2.0, 1.0])
    """
    sums = [np.bincount(group_N, weights=column_N) for column_N in score_NS.T]
    return np.stack(sums, axis=1), np.bincount(group_N).astype(np.float64)


def _percentile_interval(value: float, resampled_R: np.ndarray, level: float) -> Interval:
    if not len(resampled_R):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(resampled_R, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
