"""What pydantic finds wrong in a document that others wrote, in one line."""

from __future__ import annotations

from pydantic import ValidationError

_SHOWN_CHARACTERS = 60


def describe(error: ValidationError) -> str:
    """The first fault that pydantic found: where, what is wrong, and what is there.

    Args:
        error: pydantic's error.

    Returns:
        Such as ``at 3.annotations: Input should be a valid list, found 'x' (and 2 more faults)``.
    """
    faults = error.errors(include_url=False, include_context=False)
    fault = faults[0]
    message = " ".join(str(fault["msg"]).split())
    more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
    if fault["type"] == "json_invalid":
        return f"found no readable JSON, perhaps cut short or not UTF-8: {message.removeprefix('Invalid JSON: ')}"
    place = ".".join(str(part) for part in fault["loc"])
    value = repr(fault["input"])
    shown = value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}..."
    return f"{f'at {place}: ' if place else ''}{message}, found {shown}{more}"
