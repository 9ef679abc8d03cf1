"""How many synthetic votes are enough: the paper's saturation analysis (arXiv 2601.14620, figure 2).

The mean JS of n synthetic votes to the human distribution decreases with n as ``a - b exp(-c n)`` (b < 0). The
saturation point is the first n at which 90 % of the decrease from n = 1 to the asymptote a has happened. An exact
annotation gives a distribution per utterance, from which any number of votes can be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import curve_fit

from ambivox.models.errors import UserError
from ambivox.models.statistics.metrics import check_distributions, jensen_shannon

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
        asymptote: mean JS of the distribution that votes are drawn from.
    """

    votes_V: np.ndarray
    js_V: np.ndarray
    js_low_V: np.ndarray
    js_high_V: np.ndarray
    fit: tuple[float, float, float] | None
    point: int | None
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
    truth_NK: np.ndarray, synthetic_NK: np.ndarray, *, votes: int = 20, subsets: int = 5, seed: int = 0
) -> Saturation:
    """The saturation curve of synthetic votes drawn from ``synthetic_NK``.

    Args:
        truth_NK: human distributions of N >= 1 utterances.
        synthetic_NK: the ALM's distributions of the same utterances.
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
    js_SV = np.empty((subsets, votes))
    cumulative_NK = np.cumsum(synthetic_NK, axis=1)
    cumulative_NK[:, -1] = 1.0
    for subset in range(subsets):
        count_NK = np.zeros_like(truth_NK)
        for vote in range(votes):  # a loop over votes, never over utterances
            label_N = (rng.random((len(truth_NK), 1)) > cumulative_NK).sum(1)
            count_NK[np.arange(len(truth_NK)), label_N] += 1
            js_SV[subset, vote] = jensen_shannon(truth_NK, count_NK / (vote + 1)).mean()
    votes_V = np.arange(1, votes + 1)
    fit, point = _fit(votes_V, js_SV.mean(0))
    asymptote = float(jensen_shannon(truth_NK, synthetic_NK).mean())
    return Saturation(votes_V, js_SV.mean(0), js_SV.min(0), js_SV.max(0), fit, point, asymptote)


def _fit(votes_V: np.ndarray, js_V: np.ndarray) -> tuple[tuple[float, float, float] | None, int | None]:
    """Least squares of ``a - b exp(-c n)`` and the saturation point ``1 + ln(10) / c``; None without a decrease."""
    decrease = js_V[0] - js_V[-1]
    if decrease <= 1e-6:
        return None, None
    try:
        (a, b, c), _ = curve_fit(
            lambda n, a, b, c: a - b * np.exp(-c * n),
            votes_V.astype(float),
            js_V,
            p0=(js_V[-1], -decrease, 0.4),
            bounds=([0.0, -np.inf, 1e-3], [1.0, 0.0, np.inf]),
        )
    except RuntimeError:  # the optimiser did not converge
        return None, None
    # A tenth of the decrease from n = 1 is left: exp(-c (n - 1)) = 0.1.
    return (float(a), float(b), float(c)), int(np.ceil(1 - np.log(_REMAINING) / c - 1e-9))
