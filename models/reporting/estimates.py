"""Estimates with their intervals: how the steps' JSON files store them, and how a reader sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ambivox.models.reporting.source_names import SOURCE_NAMES

_VALUE_KEYS = ("value", "mean", "estimate", "point", "median")
_LOW_KEYS = ("low", "lower", "ci_low")
_HIGH_KEYS = ("high", "upper", "ci_high")
_INTERVAL_KEYS = ("interval", "ci", "ci95")
_ESTIMATE_KEYS = frozenset((*_VALUE_KEYS, *_LOW_KEYS, *_HIGH_KEYS, *_INTERVAL_KEYS))

#: Keys of the JSON files -> their names for a reader, where replacing ``_`` by a space is not enough.
DISPLAY_NAMES = {
    "js": "JS (base 2)",
    "nll": "nll (nats per vote)",
    "nll_infinite": "utterances with infinite nll",
    "p_nll": "p (nll)",
    "p_squared_error": "p (squared error)",
    "bc": "BC",
    "ece": "ECE",
    "r2": "R²",
    "f1": "F1",
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "alm": "ALM",
    "kappa": "κ",
    "fleiss_kappa": "Fleiss’ κ",
    "krippendorff_alpha": "Krippendorff’s α",
    "sha256": "SHA-256",
    "p_holm": "p (Holm)",
    "p_value": "p",
    "without": "utterances without",
    "straddling": "speakers in several splits",
} | {key: name.label for key, name in SOURCE_NAMES.items()}
_ABBREVIATIONS = {"js": "JS", "bc": "BC", "alm": "ALM", "ece": "ECE", "r2": "R²"}
_MISSING = "–"


@dataclass(frozen=True)
class Estimate:
    """A value and, where known, the ends of its interval."""

    value: float
    low: float | None = None
    high: float | None = None

    def overlaps(self, other: Estimate) -> bool | None:
        """Whether the two intervals share a point; None where one of them has no interval."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return None
        return self.low <= other.high and other.low <= self.high


def parse_estimate(raw: Any) -> Estimate | None:
    """Read an estimate in any of the shapes that JSON files use; None where there is none.

    Example:
        >>> parse_estimate(0.2)
        Estimate(value=0.2, low=None, high=None)
        >>> parse_estimate([0.2, 0.1, 0.3]) == parse_estimate({"mean": 0.2, "interval": [0.1, 0.3]})
        True
    """
    if (value := _finite(raw)) is not None:
        return Estimate(value)
    if isinstance(raw, list | tuple) and len(raw) == 3:
        value, low, high = (_finite(part) for part in raw)
        return None if value is None else Estimate(value, low, high)
    if not isinstance(raw, Mapping) or (value := _first_finite(raw, _VALUE_KEYS)) is None:
        return None
    low, high = _first_finite(raw, _LOW_KEYS), _first_finite(raw, _HIGH_KEYS)
    if low is None or high is None:
        low, high = next((_ends(raw[key]) for key in _INTERVAL_KEYS if key in raw), (None, None))
    return Estimate(value, low, high)


def is_estimate(raw: Any) -> bool:
    """Whether a mapping holds an estimate and nothing else.

    Example:
        >>> is_estimate({"value": 0.2, "low": 0.1, "high": 0.3}), is_estimate({"mean": 0.2, "r2": 0.5})
        (True, False)
    """
    return isinstance(raw, Mapping) and set(raw) <= _ESTIMATE_KEYS and parse_estimate(raw) is not None


def parse_measure(measures: Any, name: str) -> Estimate | None:
    """Read the measure ``name`` of a mapping, its interval within it or beside it (``js_low``, ``js_interval``).

    Example:
        >>> parse_measure({"js": 0.2, "js_low": 0.1, "js_high": 0.3}, "js")
        Estimate(value=0.2, low=0.1, high=0.3)
    """
    if not isinstance(measures, Mapping) or (estimate := parse_estimate(measures.get(name))) is None:
        return None
    if estimate.low is not None:
        return estimate
    low, high = _finite(measures.get(f"{name}_low")), _finite(measures.get(f"{name}_high"))
    if low is None:
        keys = (f"{name}_{interval}" for interval in _INTERVAL_KEYS)
        low, high = next((_ends(measures[key]) for key in keys if key in measures), (None, None))
    return Estimate(estimate.value, low, high)


def format_number(value: float) -> str:
    """Write a number with about three significant digits.

    Example:
        >>> [format_number(value) for value in (12345, 3.268, 0.2144, 4.1e-5)]
        ['12,345', '3.27', '0.214', '4.1e-05']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1000):
        return f"{int(value):,}"
    if not math.isfinite(value):
        return _MISSING
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.001 or size == 0 else f"{value:.1e}"


def format_estimate(estimate: Estimate | None, percent: bool = False) -> str:
    """Write an estimate and its interval, as a number or in percent; a dash for None.

    Example:
        >>> format_estimate(Estimate(0.2144, 0.2013, 0.229))
        '0.214 [0.201, 0.229]'
        >>> format_estimate(Estimate(0.72), percent=True)
        '72.0%'
    """
    if estimate is None:
        return _MISSING
    value, low, high = (
        None if part is None else f"{part:.1%}" if percent else format_number(part)
        for part in (estimate.value, estimate.low, estimate.high)
    )
    return str(value) if low is None or high is None else f"{value} [{low}, {high}]"


def display_name(key: str) -> str:
    """Return a JSON key as a reader would write it.

    Example:
        >>> display_name("f1_macro"), display_name("label_mass"), display_name("validation_js")
        ('macro F1', 'label mass', 'validation JS')
    """
    words = key.replace("_", " ").strip().split(" ")
    return DISPLAY_NAMES.get(key) or " ".join(_ABBREVIATIONS.get(word, word) for word in words)


def _finite(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    try:
        number = float(raw)
    except OverflowError:  # an int that no float holds
        return None
    return number if math.isfinite(number) else None


def _first_finite(mapping: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    return next((value for key in keys if (value := _finite(mapping.get(key))) is not None), None)


def _ends(raw: Any) -> tuple[float | None, float | None]:
    if isinstance(raw, list | tuple) and len(raw) == 2:
        return _finite(raw[0]), _finite(raw[1])
    if isinstance(raw, Mapping):
        return _first_finite(raw, _LOW_KEYS), _first_finite(raw, _HIGH_KEYS)
    return None, None


def class_size(size: float) -> str:
    """Format the size of a class, which is no whole number where utterances have several dominant labels.

    Args:
        size: Utterances, or expected votes.

    Example:
        >>> class_size(1234.0), class_size(0.6667)
        ('1,234', '0.7')
    """
    return f"{size:,.1f}".removesuffix(".0")
