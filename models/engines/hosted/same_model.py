"""Whether the model that an answer names is the model that was asked for."""

from __future__ import annotations

import re

# A dated snapshot of an alias: gpt-audio-1.5-2026-02-23, qwen3-omni-flash-20251201, gemini-2.5-flash-001.
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3})")


def is_same_model(asked: str, answered: str) -> bool:
    """True for the same name, with or without a prefix such as "models/", and for a dated snapshot of it.

    Args:
        asked: the name in the request.
        answered: the name in the answer.

    Examples:
        >>> is_same_model("gpt-audio", "gpt-audio-2025-08-28"), is_same_model("gemini-2.5-pro", "models/gemini-2.5-pro")
        (True, True)
        >>> is_same_model("gemini-2.5-pro", "gemini-3-pro"), is_same_model("gpt-audio", "gpt-audio-mini")
        (False, False)
    """
    asked, answered = _bare(asked), _bare(answered)
    return answered == asked or is_snapshot(asked, answered)


def is_snapshot(asked: str, answered: str) -> bool:
    """True for a dated snapshot of the model that was asked for, and for nothing else.

    Args:
        asked: the name in the request.
        answered: the name in the answer.

    Examples:
        >>> is_snapshot("gpt-audio", "gpt-audio-2025-08-28"), is_snapshot("gpt-audio", "gpt-audio")
        (True, False)
    """
    asked, answered = _bare(asked), _bare(answered)
    return answered.startswith(asked) and _SNAPSHOT.fullmatch(answered[len(asked) :]) is not None


def first_shown(name: str) -> str:
    """A model's name as it may be printed: printable, without spaces, at most 100 characters.

    Args:
        name: what an endpoint sent.
    """
    return "".join(c for c in name if c.isprintable() and not c.isspace())[:100]


def _bare(name: str) -> str:
    """A name without capitals and without a prefix such as "models/"."""
    return name.strip().casefold().rpartition("/")[2]
