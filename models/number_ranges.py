"""Ranges of the numbers that steps and commands take: declared with the option, checked before anything is read."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from ambivox.models.errors import UserError


@dataclass(frozen=True)
class Range:
    """Which values a number may have.

    Attributes:
        lowest: The lowest one.
        highest: The highest one; inf where there is none.
        is_above: Whether values must be above ``lowest``.
    """

    lowest: float
    highest: float = math.inf
    is_above: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number is in the range; nan and inf never are."""
        above = value > self.lowest if self.is_above else value >= self.lowest
        # An int of more than 308 digits has no float.
        return (isinstance(value, int) or math.isfinite(value)) and above and value <= self.highest

    def __str__(self) -> str:
        """The range in words."""
        lowest, highest = f"{self.lowest:.10g}", f"{self.highest:.10g}"
        if self.highest == math.inf:
            return f"above {lowest}" if self.is_above else f"of at least {lowest}"
        return f"above {lowest} and at most {highest}" if self.is_above else f"from {lowest} to {highest}"


_LONG = 10**300  # about the largest number that a float holds
# numpy takes seeds of any size, scikit-learn and others of 32 bits.
Seed = Annotated[int, Range(0, 2**32 - 1)]
Count = Annotated[int, Range(1, 10**9)]
CountOrNone = Annotated[int, Range(0, 10**9)]
Share = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(0, is_above=True)]
NotNegative = Annotated[float, Range(0)]


def check_ranges(hints: Mapping[str, Any], values: Mapping[str, Any], place: Callable[[str], str]) -> None:
    """Check numbers against the ranges in their annotations; a float without one must be finite.

    Args:
        hints: Annotations by name, with their ``Range``.
        values: Values by name: numbers, tuples of numbers, or others, which are not checked.
        place: Says where a value stands, for the message, such as ``--seed``.

    Raises:
        UserError: A number is outside its range.
    """
    for name, value in values.items():
        allowed = next(_ranges(hints.get(name)), Range(-math.inf))
        for number in value if isinstance(value, tuple | list) else (value,):
            if isinstance(number, int | float) and not isinstance(number, bool) and not allowed.holds(number):
                expected = "a number" if allowed == Range(-math.inf) else f"a number {allowed}"
                is_long = isinstance(number, int) and abs(number) >= _LONG
                found = f"one of {len(str(abs(number)))} digits" if is_long else f"{number:.10g}"
                raise UserError(f"{place(name)}: expected {expected}, found {found}")


def check_options(options: Any, place: Callable[[str], str] = str) -> None:
    """Check the numbers of a step's options; see ``check_ranges``.

    Args:
        options: A dataclass.
        place: Says where an option stands; by default it is named alone.

    Raises:
        UserError: A number is outside its range.
    """
    check_ranges(typing.get_type_hints(type(options), include_extras=True), vars(options), place)


def _ranges(hint: Any) -> Iterator[Range]:
    if typing.get_origin(hint) is Annotated:
        yield from (item for item in hint.__metadata__ if isinstance(item, Range))
    for part in typing.get_args(hint):
        yield from _ranges(part)
