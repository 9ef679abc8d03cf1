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
    asked, answered = (name.strip().casefold().rpartition("/")[2] for name in (asked, answered))
    return answered == asked or (
        answered.startswith(asked) and _SNAPSHOT.fullmatch(answered[len(asked) :]) is not None
    )
