"""The one exception that means "the user can mend this": shown as one line, exit code 2, no traceback."""

from __future__ import annotations

from collections.abc import Iterable


class UserError(ValueError):
    """What was found, what was expected, and what to do about it, in one line."""


class MissingExtraError(UserError):
    """A library that an extra brings is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed; run: pip install 'ambivox[{extra}]'")


def unknown(kind: str, found: str, known: Iterable[str]) -> UserError:
    """An error for a name that is not among the known ones, with the list of those."""
    return UserError(f"unknown {kind} {found!r}; known: {', '.join(sorted(known))}")
