"""YAML from files and command lines, read as plain values: one way to parse it, and one kind of error."""

from __future__ import annotations

import re
from typing import Any

_BRACKET = re.compile(r"[\[\]{}]")
_DEEPEST = 100
# Without brackets, deep nesting needs as much indentation, or as many dashes, in one line.
_DEEP_LINE = re.compile(r"[ \t?:-]{200}")


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
