"""YAML from files and command lines, read as plain values or into typed models: one way to parse it, one kind of error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ambivox.models.document_faults import describe
from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text
from ambivox.models.regular_files import read_bytes

T = TypeVar("T")

_BRACKET = re.compile(r"[\[\]{}]")
_DEEPEST = 100
# Without brackets, deep nesting needs as much indentation, or as many dashes, in one line.
_DEEP_LINE = re.compile(r"[ \t?:-]{200}")


def read_yaml_document(path: Path, document: TypeAdapter[T], expected: str, advice: str = "") -> T:
    """Read a YAML file; see ``json_documents.read_json_document``.

    Args:
        path: The file.
        document: The type of its content.
        expected: What the file should hold, for the error message.
        advice: What to do where it does not, for the message.

    Returns:
        The content.

    Raises:
        UserError: The file cannot be read, is not YAML, or does not have this type.
    """
    try:
        return document.validate_python(parse_yaml(read_bytes(path, expected)))
    except ValidationError as error:
        fault = describe(error)
    except UserError:
        raise
    except ValueError as error:
        fault = f"cannot be read as YAML ({error_text(error)})"
    message = f"{path}: expected {expected}, {fault}"
    raise UserError(f"{message}; {advice}" if advice else message)


def parse_yaml(content: str | bytes) -> Any:
    """Parse YAML into mappings, lists and scalars.

    What may be nested deeply is not given to ruamel.yaml's parser in C, which is faster: 100,000 levels would end the process.

    Args:
        content: The YAML.

    Returns:
        Its content.

    Raises:
        ValueError: It is no YAML, or nested too deeply.

    Example:
        >>> parse_yaml("a: [1, b]")
        {'a': [1, 'b']}
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    check_nesting(content)
    is_deep = _DEEP_LINE.search(_text(content)) is not None
    try:
        return YAML(typ="safe", pure=is_deep).load(content)
    except YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def check_nesting(content: str | bytes) -> None:
    """Refuse brackets that are nested more than 100 levels deep, before a parser spends seconds on them.

    Args:
        content: YAML, or anything else.

    Raises:
        ValueError: They are.
    """
    depth = 0
    for bracket in _BRACKET.findall(_text(content)):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")


def _text(content: str | bytes) -> str:
    return content if isinstance(content, str) else content.decode("latin-1")
