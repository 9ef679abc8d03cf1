"""How many synthetic votes are enough: the paper's saturation analysis (arXiv 2601.14620, figure 2).

The mean JS of n synthetic votes to the human distribution falls with n as ``a - b exp(-c n)`` (b < 0). The
saturation point is the first n at which 90 % of the fall from n = 1 to the asymptote a has happened. An exact
annotation gives a whole distribution per utterance; votes are then drawn from it, at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import curve_fit

from ambivox.models.errors import UserError
from ambivox.models.statistics.metrics import check_distributions, jensen_shannon

_REMAINING = 0.1  # of the fall, at the saturation point


@dataclass(frozen=True)
class Saturation:
    """The curve, its fit and what follows from it; fit and point are None where the curve does not fall."""

    votes_V: np.ndarray  # 1..V
    js_V: np.ndarray  # mean over subsets and utterances
    js_low_V: np.ndarray  # lowest and highest mean of one subset
    js_high_V: np.ndarray
    fit: tuple[float, float, float] | None  # a, b, c
    point: int | None
    asymptote: float  # JS of the whole synthetic distribution, which votes are drawn from

    def fitted(self, votes: np.ndarray) -> np.ndarray | None:
        """``a - b exp(-c n)`` at these numbers of votes."""
        if self.fit is None:
            return None
        a, b, c = self.fit
        return a - b * np.exp(-c * np.asarray(votes))


def saturation(
    truth_NK: np.ndarray, synthetic_NK: np.ndarray, *, votes: int = 20, subsets: int = 5, seed: int = 0
) -> Saturation:
    """The saturation curve of synthetic votes drawn from ``synthetic_NK``.

    Args:
        truth_NK: human distributions of N >= 1 utterances.
        synthetic_NK: the ALM's distribution of the same utterances.
        votes: the longest run of synthetic votes, V >= 4 (three parameters are fitted).
        subsets: independent runs that are averaged.
        seed: of the drawing.

    Raises:
        UserError: no utterances, fewer than 4 votes, or rows that are no distributions.
    """
    truth_NK = check_distributions(truth_NK, "truth")
    synthetic_NK = check_distributions(synthetic_NK, "synthetic")
    if not len(truth_NK) or votes < 4 or subsets < 1:
        raise UserError(
            f"saturation needs utterances, 4 or more votes and a subset; found {len(truth_NK)}, {votes}, {subsets}"
        )
    rng = np.random.default_rng(seed)
    js_RV = np.empty((subsets, votes))
    upper_NK = np.cumsum(synthetic_NK, axis=1)
    upper_NK[:, -1] = 1.0
    for subset in range(subsets):
        count_NK = np.zeros_like(truth_NK)
        for vote in range(votes):  # a loop over votes, never over utterances
            drawn_N = (rng.random((len(truth_NK), 1)) > upper_NK).sum(1)
            count_NK[np.arange(len(truth_NK)), drawn_N] += 1
            js_RV[subset, vote] = jensen_shannon(truth_NK, count_NK / (vote + 1)).mean()
    votes_V = np.arange(1, votes + 1)
    fit, point = _fit(votes_V, js_RV.mean(0))
    asymptote = float(jensen_shannon(truth_NK, synthetic_NK).mean())
    return Saturation(votes_V, js_RV.mean(0), js_RV.min(0), js_RV.max(0), fit, point, asymptote)


def _fit(votes_V: np.ndarray, js_V: np.ndarray) -> tuple[tuple[float, float, float] | None, int | None]:
    """Least squares of ``a - b exp(-c n)`` and the saturation point ``1 + ln(10) / c``; None without a fall."""
    fall = js_V[0] - js_V[-1]
    if fall <= 1e-6:
        return None, None
    try:
        (a, b, c), _ = curve_fit(
            lambda n, a, b, c: a - b * np.exp(-c * n),
            votes_V.astype(float),
            js_V,
            p0=(js_V[-1], -fall, 0.4),
            bounds=([0.0, -np.inf, 1e-3], [1.0, 0.0, np.inf]),
        )
    except RuntimeError:  # scipy's word for "did not converge"
        return None, None
    # The fall from n = 1 has shrunk to a tenth: exp(-c (n - 1)) = 0.1.
    return (float(a), float(b), float(c)), int(np.ceil(1 - np.log(_REMAINING) / c - 1e-9))
