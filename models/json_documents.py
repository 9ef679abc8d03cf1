"""JSON from outside this project, read into typed models: one way to parse it, and one kind of error.

Configuration files of models, results of labelling tools and replies of model hubs may be damaged, of another shape, or
hostile: nested 100,000 levels deep, or with a number of a million digits. pydantic's parser limits both.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from ambivox.models.document_faults import describe
from ambivox.models.errors import UserError
from ambivox.models.regular_files import read_bytes

T = TypeVar("T")


def read_json_document(path: Path, document: TypeAdapter[T], expected: str, advice: str = "") -> T:
    """Read a JSON file.

    Args:
        path: The file, in UTF-8 with or without a byte order mark, or in UTF-16 with one.
        document: The type of its content.
        expected: What the file should hold, for the error message, such as "the configuration of a model".
        advice: What to do where it does not, for the message.

    Returns:
        The content.

    Raises:
        UserError: The file cannot be read, is not JSON, or does not have this type.
    """
    return parse_json_document(read_bytes(path, expected), document, expected, str(path), advice)


def parse_json_document(
    content: bytes, document: TypeAdapter[T], expected: str, origin: str, advice: str = ""
) -> T:
    """Parse JSON.

    Args:
        content: The JSON, in UTF-8 with or without a byte order mark, or in UTF-16 with one.
        document: The type of the content.
        expected: What it should be, for the error message.
        origin: Where it comes from, for the error message.
        advice: What to do, for the error message.

    Returns:
        The content.

    Raises:
        UserError: It is not JSON, or does not have this type. The message names the first place that is wrong.
    """
    try:
        return document.validate_json(_as_utf8(content))
    except ValidationError as error:
        message = f"{origin}: expected {expected}, {describe(error)}"
        raise UserError(f"{message}; {advice}" if advice else message) from error


def _as_utf8(content: bytes) -> bytes:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as Windows' editors save "Unicode"
        return content.decode("utf-16", errors="replace").encode()
    return content.removeprefix(codecs.BOM_UTF8)
