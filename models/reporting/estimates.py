"""Figures with their intervals, as the steps' JSON files hold them, and how they are written for a reader."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_VALUE = ("value", "mean", "estimate", "point", "median")
_LOW = ("low", "lower", "ci_low")
_HIGH = ("high", "upper", "ci_high")
_PAIR = ("interval", "ci", "ci95")

#: Measures as a reader knows them.
NAMES = {
    "js": "JS (base 2)",
    "bc": "BC",
    "ece": "ECE",
    "r2": "R²",
    "f1": "F1",
    "alm": "ALM",
    "kappa": "κ",
    "fleiss_kappa": "Fleiss’ κ",
    "sha256": "SHA-256",
    "krippendorff_alpha": "Krippendorff’s α",
    "id": "id",
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "p_holm": "p (Holm)",
    "p_value": "p",
    "js_human": "JS human",
    "js_pooled": "JS pooled",
}


@dataclass(frozen=True)
class Estimate:
    """A figure and, where known, the ends of its interval."""

    value: float
    low: float | None = None
    high: float | None = None

    def overlaps(self, other: Estimate) -> bool | None:
        """Whether the two intervals share a point; None where one of them has none."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return None
        return self.low <= other.high and other.low <= self.high


def _number(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return float(raw)


def _first(mapping: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    return next((found for name in names if (found := _number(mapping.get(name))) is not None), None)


def _pair(raw: Any) -> tuple[float | None, float | None]:
    if isinstance(raw, list | tuple) and len(raw) == 2:
        return _number(raw[0]), _number(raw[1])
    if isinstance(raw, Mapping):
        return _first(raw, _LOW), _first(raw, _HIGH)
    return None, None


def as_estimate(raw: Any) -> Estimate | None:
    """Read ``0.2``, ``[0.2, 0.1, 0.3]``, ``{"value": 0.2, "low": 0.1, "high": 0.3}`` or ``{"mean": 0.2, "interval": [..]}``."""
    if (plain := _number(raw)) is not None:
        return Estimate(plain)
    if isinstance(raw, list | tuple) and len(raw) == 3:
        value, low, high = (_number(part) for part in raw)
        return None if value is None else Estimate(value, low, high)
    if not isinstance(raw, Mapping) or (value := _first(raw, _VALUE)) is None:
        return None
    low, high = _first(raw, _LOW), _first(raw, _HIGH)
    if low is None or high is None:
        low, high = next((_pair(raw[name]) for name in _PAIR if name in raw), (None, None))
    return Estimate(value, low, high)


def estimate(measures: Any, name: str) -> Estimate | None:
    """The measure ``name`` of a mapping, its interval beside it (``js_low``, ``js_interval``) or within it."""
    if not isinstance(measures, Mapping) or (found := as_estimate(measures.get(name))) is None:
        return None
    if found.low is not None:
        return found
    low, high = _number(measures.get(f"{name}_low")), _number(measures.get(f"{name}_high"))
    if low is None:
        low, high = next(
            (_pair(measures[f"{name}_{pair}"]) for pair in _PAIR if f"{name}_{pair}" in measures),
            (None, None),
        )
    return Estimate(found.value, low, high)


def number(value: float) -> str:
    """A number as short as it can be without lying: 12,345; 3.27; 0.214; 4.1e-05."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1000):
        return f"{int(value):,}"
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.001 or size == 0 else f"{value:.1e}"


def written(found: Estimate | None) -> str:
    """``0.214 [0.201, 0.229]``, or a dash."""
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return number(found.value)
    return f"{number(found.value)} [{number(found.low)}, {number(found.high)}]"


def humanised(name: str) -> str:
    """``f1_macro`` as a reader would write it."""
    return NAMES.get(name, name.replace("_", " ").strip())
