"""The length of one answer, which is bounded: many answers are in memory at the same time."""

from __future__ import annotations

from ambivox.models.engines._bounded_http import InvalidResponseError

# Far above what the few thousand tokens have that a request asks for.
_MOST_CHARACTERS = 2**16
# What each text takes besides its characters.
_CHARACTERS_PER_TEXT = 20


def check_length(*texts: str) -> None:
    """Refuse an answer that is longer than any that was asked for.

    Args:
        *texts: all texts of the answer.

    Raises:
        InvalidResponseError: they have more than about 65,000 characters together.
    """
    if (length := sum(len(text) + _CHARACTERS_PER_TEXT for text in texts)) > _MOST_CHARACTERS:
        raise InvalidResponseError(
            f"an answer of {length:,} characters, expected at most {_MOST_CHARACTERS:,}"
        )
