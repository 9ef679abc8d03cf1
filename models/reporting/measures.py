"""The measures of a metric row: their headings in reading order, and how a reader sees their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambivox.models.reporting.estimates import Estimate, format_estimate, parse_measure

#: Measure -> its heading; the arrow points to the better end. Proper scores come first.
HEADINGS = {
    "nll": "nll ↓",
    "squared_error": "squared error ↓",
    "js": "JS ↓",
    "bc": "BC ↑",
    "accuracy": "accuracy ↑",
}
EXPLANATION = (
    "nll is the negative log-likelihood in nats per target vote (∞ where a label with a vote has probability 0, as in raw "
    "votes); squared error is that to the true distribution, corrected for the number of target votes. Both are lowest "
    "for the true distribution. JS is the base-2 divergence (0 to 1) to the shares of the votes, for comparison with "
    "the paper: with few votes, it favours answers that are sharper than the truth."
)
_INFINITE = "∞"


def format_measure(measures: Any, name: str) -> str:
    """Write a measure with its interval, accuracy in percent; ∞ for an infinite nll, a dash where there is none.

    Args:
        measures: a metric row.
        name: of the measure.

    Example:
        >>> format_measure({"nll": None, "nll_infinite": 3}, "nll"), format_measure({"js": 0.25}, "js")
        ('∞', '0.250')
    """
    estimate = parse_measure(measures, name)
    if estimate is None and is_infinite(measures, name):
        return _INFINITE
    if estimate is None or name == "accuracy":
        return format_estimate(estimate, percent=True)
    text = f"{estimate.value:.3f}"  # differences in nll matter in the third decimal
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{estimate.low:.3f}, {estimate.high:.3f}]"


def is_infinite(measures: Any, name: str) -> bool:
    """Whether a measure is missing because it is infinite, as JSON has no infinity.

    Args:
        measures: a metric row.
        name: of the measure.
    """
    return name == "nll" and isinstance(measures, Mapping) and bool(measures.get("nll_infinite"))


def rank(measures: Any) -> tuple[float, float]:
    """A sort key that puts better rows first: by nll, and by JS where a row or a file of earlier versions has no nll.

    Args:
        measures: a metric row.
    """
    nll, js = (_value(parse_measure(measures, name)) for name in ("nll", "js"))
    return nll, js


def _value(estimate: Estimate | None) -> float:
    return float("inf") if estimate is None else estimate.value
