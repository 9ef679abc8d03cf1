"""How many synthetic votes are enough: the paper's saturation analysis (arXiv 2601.14620, figure 2).

The mean JS of n synthetic votes to the human distribution decreases with n as ``a - b exp(-c n)`` (b < 0). The
saturation point is the first n at which 90 % of the decrease from n = 1 to the asymptote a has happened. An exact
annotation gives a distribution per utterance, from which any number of votes can be drawn.

The exponential only describes the curve within the votes that were drawn (the decrease is asymptotically that of 1/n),
so the point depends on how many those are. Its interval is a jackknife over speakers: the curve is fitted without each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import curve_fit

from ambivox.models.errors import UserError
from ambivox.models.statistics.groups import GroupIds, group_index, group_sums
from ambivox.models.statistics.intervals import Interval, half_width
from ambivox.models.statistics.metrics import check_distributions, jensen_shannon

_BLOCKS = 20  # groups of the jackknife where there are more speakers, or none are known
_REMAINING = 0.1  # share of the decrease that is left at the saturation point


@dataclass(frozen=True)
class Saturation:
    """The saturation curve and its fit.

    Attributes:
        votes_V: numbers of votes, 1 to V.
        js_V: mean JS over subsets and utterances.
        js_low_V: lowest mean JS of a subset.
        js_high_V: highest mean JS of a subset.
        fit: a, b and c; None where the curve does not decrease.
        point: the saturation point; None where the curve does not decrease.
        point_interval: the saturation point before rounding up, with its 95 % interval; None without a point.
        asymptote: mean JS of the distribution that votes are drawn from.
    """

    votes_V: np.ndarray
    js_V: np.ndarray
    js_low_V: np.ndarray
    js_high_V: np.ndarray
    fit: tuple[float, float, float] | None
    point: int | None
    point_interval: Interval | None
    asymptote: float

    def fitted(self, votes: np.ndarray) -> np.ndarray | None:
        """``a - b exp(-c n)``.

        Args:
            votes: numbers of votes n.

        Returns:
            The fitted JS; None without a fit.
        """
        if self.fit is None:
            return None
        a, b, c = self.fit
        return a - b * np.exp(-c * np.asarray(votes))


def saturation(
    truth_NK: np.ndarray,
    synthetic_NK: np.ndarray,
    *,
    groups_N: GroupIds | None = None,
    votes: int = 20,
    subsets: int = 5,
    seed: int = 0,
) -> Saturation:
    """The saturation curve of synthetic votes drawn from ``synthetic_NK``.

    Args:
        truth_NK: human distributions of N >= 1 utterances.
        synthetic_NK: the ALM's distributions of the same utterances.
        groups_N: a speaker per utterance, for the interval; None makes every utterance a group.
        votes: the largest number of synthetic votes, V >= 4 (three parameters are fitted).
        subsets: independent draws that are averaged.
        seed: of the drawing.

    Raises:
        UserError: no utterances, fewer than 4 votes, or rows that are no distributions.

    Examples:
        >>> truth_NK = np.array([[0.5, 0.5]])
        >>> saturation(truth_NK, truth_NK, votes=4).asymptote
        0.0
    """
    truth_NK = check_distributions(truth_NK, "truth")
    synthetic_NK = check_distributions(synthetic_NK, "synthetic")
    if not len(truth_NK) or votes < 4 or subsets < 1:
        raise UserError(
            "saturation needs 1 or more utterances, 4 or more votes and 1 or more subsets; "
            f"found {len(truth_NK)}, {votes} and {subsets}"
        )
    rng = np.random.default_rng(seed)
    js_SV, js_NV = np.empty((subsets, votes)), np.zeros((len(truth_NK), votes))
    cumulative_NK = np.cumsum(synthetic_NK, axis=1)
    cumulative_NK[:, -1] = 1.0
    for subset in range(subsets):
        count_NK = np.zeros_like(truth_NK)
        for vote in range(votes):  # a loop over votes, never over utterances
            label_N = (rng.random((len(truth_NK), 1)) > cumulative_NK).sum(1)
            count_NK[np.arange(len(truth_NK)), label_N] += 1
            js_N = jensen_shannon(truth_NK, count_NK / (vote + 1))
            js_SV[subset, vote] = js_N.mean()
            js_NV[:, vote] += js_N / subsets
    votes_V = np.arange(1, votes + 1)
    fit = _fit(votes_V, js_SV.mean(0))
    point = None if fit is None else int(np.ceil(_point(fit) - 1e-9))
    interval = None if fit is None else _point_interval(fit, votes_V, js_NV, groups_N)
    asymptote = float(jensen_shannon(truth_NK, synthetic_NK).mean())
    return Saturation(votes_V, js_SV.mean(0), js_SV.min(0), js_SV.max(0), fit, point, interval, asymptote)


def _fit(votes_V: np.ndarray, js_V: np.ndarray) -> tuple[float, float, float] | None:
    """Least squares of ``a - b exp(-c n)``; None without a decrease."""
    decrease = js_V[0] - js_V[-1]
    if decrease <= 1e-6:
        return None
    try:
        (a, b, c), _ = curve_fit(
            lambda n, a, b, c: a - b * np.exp(-c * n),
            votes_V.astype(float),
            js_V,
            p0=(js_V[-1], -decrease, 0.4),
            bounds=([0.0, -np.inf, 1e-3], [1.0, 0.0, np.inf]),
        )
    except RuntimeError:  # the optimiser did not converge
        return None
    return float(a), float(b), float(c)


def _point(fit: tuple[float, float, float]) -> float:
    """The number of votes at which a tenth of the decrease from n = 1 is left: ``exp(-c (n - 1)) = 0.1``."""
    return float(1 - np.log(_REMAINING) / fit[2])


def _point_interval(
    fit: tuple[float, float, float], votes_V: np.ndarray, js_NV: np.ndarray, groups_N: GroupIds | None
) -> Interval:
    """Jackknife over groups of the logarithm of c, which the point follows from."""
    group_N = group_index(groups_N, len(js_NV))
    if group_N.max() >= _BLOCKS:
        group_N = group_N % _BLOCKS
    sums_GV, count_G = group_sums(js_NV, group_N)
    undefined = Interval(_point(fit), float("nan"), float("nan"))
    if len(count_G) < 2:
        return undefined
    without = [
        _fit(votes_V, (sums_GV.sum(0) - sums_V) / (count_G.sum() - n))
        for sums_V, n in zip(sums_GV, count_G, strict=True)
    ]
    rate_G = np.array([np.nan if other is None else other[2] for other in without])
    if not np.isfinite(rate_G).all():
        return undefined
    factor = np.exp(half_width(np.log(fit[2]), np.log(rate_G), count_G))
    excess = _point(fit) - 1  # proportional to 1 / c
    return Interval(1 + excess, float(1 + excess / factor), float(1 + excess * factor))
