"""The one exception that means "the user can mend this": shown as one line, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

# What a step does with an item that it cannot use: put it into rejects.parquet with a reason and count it on the
# screen, or stop. The same choice, with the same default ("reject"), in every step.
OnError = Literal["reject", "stop"]


class UserError(ValueError):
    """What was found, what was expected, and what to do about it, in one line."""


class MissingExtraError(UserError):
    """A library that an extra brings is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed; run: pip install 'ambivox[{extra}]'")


def unknown(kind: str, found: str, known: Iterable[str]) -> UserError:
    """An error for a name that is not among the known ones, with the list of those."""
    return UserError(f"unknown {kind} {found!r}; known: {', '.join(sorted(known))}")
