"""Uncertainty of a mean: bootstrap intervals and paired tests, over utterances or over speakers.

Utterances of one speaker are correlated, so an interval that resamples utterances is too narrow for the question
whether the result holds for other speakers. Given ``groups_N`` (speakers), groups are resampled with all their
utterances (the cluster bootstrap of Davison and Hinkley 1997, section 3.8), and the test flips the sign of
groups.

Scores are computed once per utterance and system, ``score_NS``: a resample is then a weighted mean, and all
resamples of a block are one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BLOCK_CELLS = 4_000_000  # of the matrix of counts that is in memory at once: 32 MB
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


@dataclass(frozen=True)
class PairedTest:
    """Whether the first system scores lower than the second on the same utterances.

    Attributes:
        difference: mean of first - second.
        p_value: two-sided, of the sign-flip test.
        share_lower: share of utterances on which the first scores strictly lower.
        groups: number of groups (speakers).
    """

    difference: Interval
    p_value: float
    share_lower: float
    groups: int


_UNDEFINED = Interval(float("nan"), float("nan"), float("nan"))


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
    sums_GS, count_G = _group_sums(score_NS, group_index(groups_N, len(score_NS)))
    rng = np.random.default_rng(seed)
    groups = len(count_G)
    block = max(1, min(resamples, _BLOCK_CELLS // groups))
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
        return _UNDEFINED
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
        return _UNDEFINED
    score_N2 = np.stack([numerator_N, denominator_N], axis=1)
    mean_R2 = resampled_means(score_N2, groups_N, resamples=resamples, seed=seed)
    defined_R2 = mean_R2[mean_R2[:, 1] > 0]
    value = float(np.mean(numerator_N) / np.mean(denominator_N))
    return _percentile_interval(value, defined_R2[:, 0] / defined_R2[:, 1], level)


def paired_test(
    first_N: np.ndarray,
    second_N: np.ndarray,
    groups_N: GroupIds | None = None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """Sign-flip permutation test of the mean difference, and the difference's bootstrap interval.

    Under the null hypothesis, the summed difference of every group is equally likely with either sign. The
    p-value is the share of random sign patterns, the observed one included, whose sum is at least as extreme.

    Args:
        first_N: one finite score per utterance.
        second_N: the other system's scores of the same utterances.
        groups_N: a speaker per utterance; None makes every utterance a group.
        resamples: number of random sign patterns.
        seed: of the sign patterns and of the bootstrap.

    Returns:
        The test; nan without utterances.

    Examples:
        >>> test = paired_test(np.array([0.1, 0.2]), np.array([0.3, 0.4]))
        >>> round(test.difference.value, 6), test.share_lower, test.groups
        (-0.2, 1.0, 2)
    """
    difference_N = np.asarray(first_N, dtype=np.float64) - np.asarray(second_N, dtype=np.float64)
    if not len(difference_N):
        return PairedTest(_UNDEFINED, float("nan"), float("nan"), 0)
    sums_G = _group_sums(difference_N[:, None], group_index(groups_N, len(difference_N)))[0][:, 0]
    rng = np.random.default_rng(seed)
    observed = abs(sums_G.sum()) * (1 - 1e-12)
    block = max(1, min(resamples, _BLOCK_CELLS // len(sums_G)))
    extreme = 0
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        sign_RG = rng.integers(0, 2, size=(size, len(sums_G)), dtype=np.int8) * 2.0 - 1.0
        extreme += int((np.abs(sign_RG @ sums_G) >= observed).sum())
    return PairedTest(
        mean_interval(difference_N, groups_N, resamples=min(resamples, 2000), seed=seed),
        (extreme + 1) / (resamples + 1),
        float((difference_N < 0).mean()),
        len(sums_G),
    )


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) adjustment of p-values for multiple testing.

    Args:
        p_values: p-values from 0 to 1; nan stays nan and does not count as a test.

    Returns:
        Adjusted p-values in the same order, at most 1.

    Examples:
        >>> holm(np.array([0.01, 0.04, float("nan")])).tolist()
        [0.02, 0.04, nan]
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    adjusted = p_values.copy()
    valid = np.flatnonzero(np.isfinite(p_values))
    order = valid[np.argsort(p_values[valid], kind="stable")]
    stepped = p_values[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def _group_sums(score_NS: np.ndarray, group_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of scores ``sums_GS`` and numbers of utterances ``count_G`` per group."""
    sums = [np.bincount(group_N, weights=column_N) for column_N in score_NS.T]
    return np.stack(sums, axis=1), np.bincount(group_N).astype(np.float64)


def _percentile_interval(value: float, resampled_R: np.ndarray, level: float) -> Interval:
    if not len(resampled_R):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(resampled_R, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
