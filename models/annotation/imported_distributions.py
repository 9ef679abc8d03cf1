"""Distributions over the labels as other programs write them: a number per label, or JSON objects of labels and numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np

from ambivox.models.ingestion.label_spellings import LabelSpellings

# How far a sum may be from 1, or a hundredth of it from 100, by rounding.
_TOLERANCE = 0.02
NO_DISTRIBUTION = "no distribution over the labels"


def are_distributions(values_NK: np.ndarray) -> np.ndarray:
    """Which rows are distributions: they sum to 1 or 100, but for rounding, or are whole numbers, which are counts.

    Args:
        values_NK: A number per label; NaN where there is none.

    Returns:
        Booleans, shape (N,).

    Example:
        >>> are_distributions(np.array([[0.5, 0.5], [30.0, 70.0], [3.0, 1.0], [0.1, 0.1], [3.2, 5.1]])).tolist()
        [True, True, True, False, False]
    """
    is_finite_N = np.isfinite(values_NK).all(axis=1)
    known_NK = np.where(is_finite_N[:, None], values_NK, 0.0)
    with np.errstate(over="ignore"):
        total_N = known_NK.sum(axis=1)
    is_sum_N = (np.abs(total_N - 1) <= _TOLERANCE) | (np.abs(total_N / 100 - 1) <= _TOLERANCE)
    is_whole_N = (known_NK == np.floor(known_NK)).all(axis=1)
    is_positive_N = (known_NK >= 0).all(axis=1) & (total_N > 0) & np.isfinite(total_N)
    return np.asarray(is_finite_N & is_positive_N & (is_sum_N | is_whole_N))


def describe_fault(values_K: np.ndarray, texts: Sequence[str]) -> str:
    """What was found instead of a distribution, and what it looks like.

    Args:
        values_K: A number per label; NaN where there is none.
        texts: The cells.

    Example:
        >>> describe_fault(np.array([-1.2, -0.4]), ["-1.2", "-0.4"])
        '-1.2, -0.4 sum to -1.6, with negative numbers; log-probabilities must be exponentiated'
    """
    found = ", ".join(texts)
    if any("%" in text for text in texts):
        return f"{found}; remove the sign %"
    if not np.isfinite(values_K).all():
        return f"{found}; every label needs a number"
    if (values_K < 0).any():
        return f"{found} sum to {values_K.sum():g}, with negative numbers; log-probabilities must be exponentiated"
    hint = "a label may be missing" if values_K.sum() < 1 else "scores must be made probabilities"
    return f"{found} sum to {values_K.sum():g}, not to 1 or 100; {hint}"


def numbers_in(response: str, labels: Sequence[str]) -> tuple[list[float] | None, bool]:
    """The numbers of a response that is a JSON object of labels and numbers.

    Args:
        response: The text that a model wrote.
        labels: The labels.

    Returns:
        A number per label, 0 for one that is not named; None where the response is no such object. And whether all its
        names are labels.

    Example:
        >>> numbers_in('{"anger": 0.9, "Joy": 0.1}', ["anger", "joy"]), numbers_in("joy", ["anger", "joy"])
        (([0.9, 0.1], True), (None, True))
    """
    match = re.search(r"\{[^{}]*\}", response)
    try:
        found = json.loads(match[0]) if match else None
        is_numbers = isinstance(found, dict) and all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in found.values()
        )
        if not isinstance(found, dict) or not found or not is_numbers:
            return None, True
        spellings = LabelSpellings(labels)
        by_label = {spellings.find(name): float(value) for name, value in found.items()}
    except (ValueError, RecursionError, OverflowError):
        return None, True
    if not by_label.keys() & set(labels):
        return None, True
    return [by_label.get(label, 0.0) for label in labels], None not in by_label
