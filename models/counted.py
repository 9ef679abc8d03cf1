"""Numbers of things in messages and reports: 1 speaker, 2 speakers."""

from __future__ import annotations


def counted(number: float, one: str, more: str | None = None) -> str:
    """A number and what it counts.

    Args:
        number: How many; whole, or a sum of weights that is shown as a whole number.
        one: The noun after 1, such as "speaker", with its verb where there is one.
        more: The noun after any other number; ``one`` and an s by default.

    Returns:
        The number, with separators of thousands, and the noun.

    Example:
        >>> counted(1, "test speaker"), counted(1200, "vote"), counted(0, "recording is", "recordings are")
        ('1 test speaker', '1,200 votes', '0 recordings are')
    """
    shown = f"{number:,.0f}"
    return f"{shown} {one if shown == '1' else more or f'{one}s'}"
