"""JSON from outside this project, read into typed models: one way to parse it, and one kind of error.

Configuration files of models, results of labelling tools and replies of model hubs may be damaged, of another shape, or
hostile: nested 100,000 levels deep, or with a number of a million digits. pydantic's parser limits both.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from ambivox.models.errors import UserError
from ambivox.models.regular_files import read_bytes

T = TypeVar("T")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHOWN_CHARACTERS = 60


def read_json_document(path: Path, document: TypeAdapter[T], expected: str) -> T:
    """Read a JSON file.

    Args:
        path: The file, in UTF-8 with or without a byte order mark.
        document: The type of its content.
        expected: What the file should hold, for the error message, such as "the configuration of a model".

    Returns:
        The content.

    Raises:
        UserError: The file cannot be read, is not JSON, or does not have this type.
    """
    return parse_json_document(read_bytes(path, expected), document, expected, str(path))


def parse_json_document(content: bytes, document: TypeAdapter[T], expected: str, origin: str) -> T:
    """Parse JSON.

    Args:
        content: The JSON, in UTF-8 with or without a byte order mark.
        document: The type of the content.
        expected: What it should be, for the error message.
        origin: Where it comes from, for the error message.

    Returns:
        The content.

    Raises:
        UserError: It is not JSON, or does not have this type. The message names the first place that is wrong.
    """
    try:
        return document.validate_json(content.removeprefix(_BYTE_ORDER_MARK))
    except ValidationError as error:
        raise UserError(f"{origin}: expected {expected}, {describe(error)}") from error


def describe(error: ValidationError) -> str:
    """The first fault that pydantic found, in one line: where, what is wrong, and what is there.

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
