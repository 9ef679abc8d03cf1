"""YAML from files and command lines, read as plain values: one way to parse it, and one kind of error."""

from __future__ import annotations

from typing import Any


def parse_yaml(content: str | bytes) -> Any:
    """Parse YAML into mappings, lists and scalars.

    ruamel.yaml's parser in C is not used: brackets nested 100,000 levels deep end the process.

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

    try:
        return YAML(typ="safe", pure=True).load(content)
    except YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
