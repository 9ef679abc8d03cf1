"""The exchange rate between one improvement of a score and another: how many further votes give the same score.

Without an ALM, the mean score decreases with the number of further human votes j along a curve C(j). With the ALM and
no further votes it is L. The rate is the number k with C(k) = L: 0 where L is no lower than C(0), and "more than" the
limit where the curve does not come down to L. Between whole numbers the curve is interpolated monotonically.

The interval inverts a test: it holds every k for which the jackknife interval over speakers of L - C(k), with quantiles
of Student's t, holds 0. Unlike an interval of log k it is defined at 0 and beyond the limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

from ambivox.models.statistics.groups import GroupIds, group_index, group_sums
from ambivox.models.statistics.intervals import half_width

_STEP = 0.01  # of the grid on which curves are solved


@dataclass(frozen=True)
class ExchangeRate:
    """A number of further votes with its interval.

    Attributes:
        value: the rate; infinite where it is more than ``limit``.
        low: lower end of the interval; nan with fewer than two groups.
        high: upper end; infinite where it is more than ``limit``.
        measured: number of further votes up to which the curve was measured; beyond, it is extrapolated.
        limit: number of further votes up to which the curve is known at all.

    Examples:
        >>> str(ExchangeRate(2.314, 1.2, float("inf"), 4.0, 8.0))
        '2.3 [1.2, more than 8]'
        >>> str(ExchangeRate(float("inf"), float("inf"), float("inf"), 4.0, 8.0))
        'more than 8'
    """

    value: float
    low: float
    high: float
    measured: float
    limit: float

    @property
    def is_extrapolated(self) -> bool:
        """Whether the rate is beyond the measured part of the curve."""
        return self.value > self.measured

    @property
    def value_text(self) -> str:
        """The rate alone, such as "2.3" or "more than 8"."""
        return self._text(self.value)

    def __str__(self) -> str:
        """Such as "2.3 [1.2, 4.0]" or "more than 8 [5.1, more than 8]"; without an interval, the rate alone."""
        value, low, high = (self._text(number) for number in (self.value, self.low, self.high))
        is_beyond = min(self.value, self.low, self.high) > self.limit
        return value if np.isnan(self.low) or is_beyond else f"{value} [{low}, {high}]"

    def _text(self, number: float) -> str:
        if np.isnan(number):
            return "undefined"
        return f"more than {self.limit:g}" if number > self.limit else f"{number:.1f}"


def exchange_rate(
    level_N: np.ndarray,
    curve_NJ: np.ndarray,
    groups_N: GroupIds | None = None,
    *,
    further_E: np.ndarray | None = None,
    level: float = 0.95,
    widening: float = 1.0,
) -> ExchangeRate:
    """The number of further votes that lower the mean of ``curve_NJ`` to that of ``level_N``.

    Args:
        level_N: a score per utterance with the ALM; lower is better.
        curve_NJ: scores of the same utterances without it, with 0 to J - 1 further votes.
        groups_N: a speaker per utterance; None makes every utterance a group.
        further_E: what is added to the mean of the last column by 1 to E more votes, for extrapolation; None stops at
            the last column.
        level: coverage of the interval, between 0 and 1.
        widening: factor of the interval's half width, see ``cross_fitting_widening``.

    Returns:
        The rate; nan without utterances.

    Examples:
        >>> rate = exchange_rate(np.full(4, 0.25), np.tile([0.5, 0.375, 0.25, 0.125], (4, 1)))
        >>> str(rate), rate.limit
        ('2.0 [2.0, 2.0]', 3.0)
    """
    further_E = np.zeros(0) if further_E is None else further_E
    measured = curve_NJ.shape[1] - 1
    limit = float(measured + len(further_E))
    if not len(level_N):
        return ExchangeRate(float("nan"), float("nan"), float("nan"), float(measured), limit)
    difference_NJ = level_N[:, None] - curve_NJ
    sums_GJ, count_G = group_sums(difference_NJ, group_index(groups_N, len(level_N)))
    mean_J = difference_NJ.mean(0)
    half_J = np.full(measured + 1, np.nan)
    if len(count_G) > 1:
        without_GJ = (sums_GJ.sum(0) - sums_GJ) / (count_G.sum() - count_G)[:, None]
        half_J = np.array(
            [
                half_width(mean, without_G, count_G, level)
                for mean, without_G in zip(mean_J, without_GJ.T, strict=True)
            ]
        )
    half_J = half_J * widening
    mean_J = np.concatenate([mean_J, mean_J[-1] - further_E])
    half_J = np.concatenate([half_J, np.full(len(further_E), half_J[-1])])
    value, low, high = (
        _first_not_negative(curve_J) for curve_J in (mean_J, mean_J + half_J, mean_J - half_J)
    )
    return ExchangeRate(value, low, high, float(measured), limit)


def _first_not_negative(difference_J: np.ndarray) -> float:
    """The smallest k at which the increasing curve through the differences is 0; infinite where it stays below."""
    if np.isnan(difference_J).any():
        return float("nan")
    if difference_J[0] >= 0:
        return 0.0
    increasing_J = np.asarray(isotonic_regression(difference_J).x)
    if increasing_J[-1] < 0:
        return float("inf")
    grid = np.arange(0, len(increasing_J) - 1 + _STEP / 2, _STEP)
    curve = np.maximum.accumulate(PchipInterpolator(np.arange(len(increasing_J)), increasing_J)(grid))
    return float(np.interp(0.0, curve, grid))
