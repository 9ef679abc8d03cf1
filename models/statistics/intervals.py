"""Uncertainty of a mean and of a ratio of means: jackknife intervals over speakers, with quantiles of Student's t.

Utterances of one speaker are correlated, so an interval over utterances is too narrow for the question whether the
result holds for other speakers. Given ``groups_N`` (speakers), every group is left out in turn with all its
utterances; the variance of these estimates is that of the jackknife (Davison and Hinkley 1997, section 2.7.3), and
the degrees of freedom are Bell and McCaffrey's (2002): one less than the number of groups where all have the same
size, fewer where few large groups decide. A percentile bootstrap is too narrow for few groups: with 2 to 6 of them,
a nominal 0.95 covers 0.5 to 0.87 (``python -m benchmarks.coverage``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from ambivox.models.statistics.groups import GroupIds, group_index, group_sums


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; the bounds are nan where there are fewer than two groups.

    Examples:
        >>> str(Interval(0.1234, 0.101, 0.14))
        '0.123 [0.101, 0.140]'
    """

    value: float
    low: float
    high: float

    def within(self, least: float, most: float) -> Interval:
        """The interval with its bounds cut off at the range of the estimated quantity.

        Args:
            least: the least value that is possible.
            most: the largest one.

        Examples:
            >>> str(Interval(0.9, 0.7, 1.1).within(0, 1))
            '0.900 [0.700, 1.000]'
        """
        low, high = (float(np.clip(bound, least, most)) for bound in (self.low, self.high))
        return Interval(self.value, low, high)

    def widened(self, factor: float) -> Interval:
        """The interval with its bounds moved away from the value.

        Args:
            factor: of both distances; see ``cross_fitting_widening``.

        Examples:
            >>> str(Interval(0.9, 0.7, 1.0).widened(2))
            '0.900 [0.500, 1.100]'
        """
        low, high = (self.value + factor * (bound - self.value) for bound in (self.low, self.high))
        return Interval(self.value, low, high)

    def __str__(self) -> str:
        """Such as "0.123 [0.101, 0.140]"."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


UNDEFINED = Interval(float("nan"), float("nan"), float("nan"))


def mean_interval(score_N: np.ndarray, groups_N: GroupIds | None = None, *, level: float = 0.95) -> Interval:
    """The mean of a score over utterances and its interval.

    Args:
        score_N: one finite score per utterance.
        groups_N: a speaker per utterance; None makes every utterance a group.
        level: coverage of the interval, between 0 and 1.

    Returns:
        The interval; nan without utterances, bounds of nan with one group.

    Examples:
        >>> mean_interval(np.array([0.5, 0.5, 0.5]))
        Interval(value=0.5, low=0.5, high=0.5)
    """
    if not len(score_N):
        return UNDEFINED
    score_N = np.asarray(score_N, dtype=np.float64)
    sums_G1, count_G = group_sums(score_N[:, None], group_index(groups_N, len(score_N)))
    value = float(score_N.mean())
    half = half_width(value, _without_each(sums_G1[:, 0]) / _without_each(count_G), count_G, level)
    return Interval(value, value - half, value + half)


def ratio_interval(
    numerator_N: np.ndarray,
    denominator_N: np.ndarray,
    groups_N: GroupIds | None = None,
    *,
    level: float = 0.95,
) -> Interval:
    """The ratio of the means of two scores of the same utterances.

    The jackknife is applied to the logarithm of the ratio where that exists, so that the interval stays above 0.

    Args:
        numerator_N: one finite score per utterance.
        denominator_N: one finite score per utterance.
        groups_N: a speaker per utterance; None makes every utterance a group.
        level: coverage of the interval, between 0 and 1.

    Returns:
        The interval; nan without utterances or where the mean of the denominator is not positive; bounds of nan
        with one group, or where the denominator's mean is not positive without one of the groups.

    Examples:
        >>> ratio = ratio_interval(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
        >>> round(ratio.value, 6), round(ratio.low, 6), round(ratio.high, 6)
        (0.5, 0.5, 0.5)
    """
    if not len(numerator_N) or not np.mean(denominator_N) > 0:
        return UNDEFINED
    score_N2 = np.stack([numerator_N, denominator_N], axis=1).astype(np.float64)
    sums_G2, count_G = group_sums(score_N2, group_index(groups_N, len(score_N2)))
    value = float(score_N2[:, 0].mean() / score_N2[:, 1].mean())
    without_G2 = np.stack([_without_each(sums_G2[:, 0]), _without_each(sums_G2[:, 1])], axis=1)
    if len(count_G) < 2 or not (without_G2[:, 1] > 0).all():
        return Interval(value, float("nan"), float("nan"))
    ratio_G = without_G2[:, 0] / without_G2[:, 1]
    if value > 0 and (ratio_G > 0).all():
        factor = float(np.exp(half_width(np.log(value), np.log(ratio_G), count_G, level)))
        return Interval(value, value / factor, value * factor)
    half = half_width(value, ratio_G, count_G, level)
    return Interval(value, value - half, value + half)


def half_width(estimate: float, without_G: np.ndarray, weight_G: np.ndarray, level: float = 0.95) -> float:
    """Half the width of the jackknife's interval: its standard error times the quantile of Student's t.

    Args:
        estimate: of all groups.
        without_G: the estimate without each of the groups.
        weight_G: the groups' weights in the estimate, such as their numbers of utterances.
        level: coverage of the interval, between 0 and 1.

    Returns:
        The half width; nan with fewer than two groups.

    Examples:
        >>> round(half_width(2.0, np.array([1.0, 2.0, 3.0]), np.ones(3)), 3)  # 4.303 * sqrt(2 / 3 * 2)
        4.968
    """
    groups = len(without_G)
    if groups < 2:
        return float("nan")
    variance = (groups - 1) / groups * float(((without_G - estimate) ** 2).sum())
    quantile = student_t.ppf((1 + level) / 2, degrees_of_freedom(weight_G))
    return float(np.sqrt(variance) * quantile)


def degrees_of_freedom(weight_G: np.ndarray) -> float:
    """Degrees of freedom of the jackknife's variance of a weighted mean, after Bell and McCaffrey (2002).

    The variance is a quadratic form ``y' B y`` of the groups' means y. Taken as a multiple of a chi-square with the
    same mean and variance where the y are independent and alike, it has ``tr(B)^2 / tr(B^2)`` degrees of freedom.

    Args:
        weight_G: positive weights of G >= 2 groups.

    Returns:
        From 1 to G - 1; G - 1 for equal weights.

    Examples:
        >>> round(degrees_of_freedom(np.ones(5)), 6), round(degrees_of_freedom(np.array([100, 1, 1, 1, 1])), 1)
        (4.0, 1.0)
    """
    share_G = np.asarray(weight_G, dtype=np.float64) / np.sum(weight_G)
    # The estimate without group g differs by -leverage_g (y_g - mean); B is A' A with A = D (I - 1 share').
    squared_G = (share_G / (1 - share_G)) ** 2
    norm = float((share_G**2).sum())
    trace = float((squared_G * (1 - 2 * share_G + norm)).sum())
    total, first, second = (float((squared_G * share_G**power).sum()) for power in (0, 1, 2))
    trace_of_square = float((squared_G**2 * (1 + 2 * (norm - 2 * share_G))).sum())
    trace_of_square += norm**2 * total**2 + 2 * total * second - 4 * norm * total * first + 2 * first**2
    return float(np.clip(trace**2 / trace_of_square, 1.0, len(share_G) - 1))


def _without_each(sum_G: np.ndarray) -> np.ndarray:
    """The total without each of the groups; nan with one group."""
    without_G: np.ndarray = sum_G.sum() - sum_G
    return without_G if len(sum_G) > 1 else np.full(len(sum_G), np.nan)


def cross_fitting_widening(folds: int) -> float:
    """The factor by which an interval over groups widens where models are fitted anew on the other groups.

    The folds' scores depend on each other, as their models share most of the groups that they are fitted on. Nadeau and
    Bengio (2003, Machine Learning 52) add the ratio of test to training data to the share of one fold in the variance
    of a mean over folds: ``(1 / K + 1 / (K - 1)) / (1 / K)`` for K folds.

    Args:
        folds: K, at least 2.

    Examples:
        >>> round(cross_fitting_widening(5), 6)
        1.5
    """
    return float(np.sqrt(1 + folds / (folds - 1)))
