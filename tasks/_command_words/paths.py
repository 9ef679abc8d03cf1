"""Paths of a command line: no address, no empty text, and ``~`` for the home folder also where the shell leaves it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from ambivox.models.errors import UserError

# Two letters or more: C:/ is a drive. A path has one slash where an address has two.
_ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/.*|(s3|gs|hf|https?|file):", re.DOTALL)


def checked_paths(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Check the paths among the arguments of a command, those in its options included.

    Args:
        arguments: Values by name.

    Returns:
        The same, with the home folder in place of ``~``.

    Raises:
        UserError: A path is blank or an address, or names the home folder of nobody.
    """
    return {name: _checked(name, value) for name, value in arguments.items()}


def _checked(name: str, value: Any) -> Any:
    if isinstance(value, Path):
        return _checked_path(f"--{name.replace('_', '-')}", value)
    if isinstance(value, tuple) and any(isinstance(item, Path) for item in value):
        return tuple(_checked(name, item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        options = {field.name: getattr(value, field.name) for field in fields(value)}
        return replace(value, **checked_paths(options))
    return value


def _checked_path(option: str, path: Path) -> Path:
    text = str(path)
    if not text.strip():
        raise UserError(f"{option}: found an empty text, expected a path")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(
            f"{option} {text}: found a name that is not in UTF-8, expected one that is; rename the file"
        ) from None
    if _ADDRESS.fullmatch(text):
        is_file = text.lower().startswith("file:")
        advice = "leave out file://" if is_file else "copy it to this machine first"
        shown = re.sub(":/?", ":///" if is_file else "://", text, count=1)
        raise UserError(f"{option} {shown}: found an address, expected a path on this machine; {advice}")
    if text.startswith("~"):
        try:
            return path.expanduser()
        except RuntimeError:
            raise UserError(
                f"{option} {text}: that user has no home folder; expected a path, or ./{text}"
            ) from None
    return path
