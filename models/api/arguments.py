"""Checks of arguments that are no frames: whole numbers, labels, and the names of a result's columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from ambivox.models.column_patterns import is_column_pattern
from ambivox.models.errors import UserError


def whole_number(value: Any, name: str, least: int) -> int:
    """A whole number of Python or NumPy.

    Args:
        value: what was given.
        name: what an error calls it.
        least: the smallest that is allowed.

    Raises:
        UserError: it is none, or too small.

    Examples:
        >>> whole_number(3, "budget", 1)
        3
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise UserError(f"{name} must be a whole number, found {value!r} (a {type(value).__name__})")
    if value < least:
        raise UserError(f"{name} must be at least {least}, found {value}")
    return int(value)


def real_number(value: Any, name: str) -> float:
    """A finite number of Python or NumPy.

    Args:
        value: what was given.
        name: what an error calls it.

    Raises:
        UserError: it is none.

    Examples:
        >>> real_number(0.9, "interval")
        0.9
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise UserError(f"{name} must be a number, found {value!r} (a {type(value).__name__})")
    return float(value)


def label_names(labels: Iterable[Any]) -> tuple[str, ...]:
    """The labels that a caller lists.

    Args:
        labels: a list; whole numbers stand for columns of that name.

    Raises:
        UserError: it is text, which would be split into letters, or no list of distinct names.

    Examples:
        >>> label_names(["anger", 1])
        ('anger', '1')
    """
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise UserError(f"labels: expected a list of labels such as ['anger', 'joy'], found {labels!r}")
    given = list(labels)
    wrong = [label for label in given if not isinstance(label, str | Integral) or not str(label).strip()]
    if wrong:
        raise UserError(f"labels: expected names, found {wrong[0]!r}")
    names = tuple(str(label) for label in given)
    if pattern := next(filter(is_column_pattern, names), None):
        raise UserError(f"labels: {pattern!r} is a pattern for columns; expected names, so rename the label")
    if not names or len(set(names)) < len(names):
        raise UserError(f"labels: expected one or more labels, each once, found {', '.join(names) or 'none'}")
    return names


def is_missing(value: Any) -> bool:
    """Whether a value is None, nan, or what pandas has for it.

    Args:
        value: any value.

    Examples:
        >>> is_missing(float("nan")), is_missing("nan")
        (True, False)
    """
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, Real) and math.isnan(value)


def check_result_columns(labels: Sequence[str], others: Iterable[str]) -> None:
    """Check that no label is called like another column of the result, which would take its place.

    Args:
        labels: K labels.
        others: the further columns of the result.

    Raises:
        UserError: a label is called so.

    Examples:
        >>> check_result_columns(("anger", "joy"), ("utterance_id", "anger_low"))
    """
    taken = set(others)
    clash = next((label for label in labels if label in taken), None)
    if clash is not None:
        raise UserError(
            f"the label {clash!r} is called like a column of the result, which would take its place; rename the label in "
            "all frames"
        )
