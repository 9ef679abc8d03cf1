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

    A text that begins with ``~/`` is one: as ``--store ~/x`` it is expanded by the shell, and as ``--store=~/x`` here.

    Args:
        arguments: Values by name.

    Returns:
        The same, with the home folder in place of ``~``.

    Raises:
        UserError: A path is blank or an address, or names the home folder of nobody.
    """
    return {name: _checked(name, value) for name, value in arguments.items()}


def with_home(value: Any) -> Any:
    """Put the home folder in place of ``~/`` at the beginning of a text, also in lists and mappings.

    Args:
        value: The value of an option that may be a word or a path, such as that of ``--alm``.

    Returns:
        The same, with places in the home folder as paths.
    """
    if isinstance(value, str):
        return str(Path(value).expanduser()) if value.startswith("~/") else value
    if isinstance(value, list):
        return [with_home(item) for item in value]
    if isinstance(value, dict):
        return {name: with_home(item) for name, item in value.items()}
    return value


def _checked(name: str, value: Any) -> Any:
    if isinstance(value, Path):
        return _checked_path(_option(name), value)
    if isinstance(value, tuple):
        return tuple(_checked(name, item) for item in value)
    if isinstance(value, str | dict):
        return with_home(value)
    if is_dataclass(value) and not isinstance(value, type):
        options = {field.name: getattr(value, field.name) for field in fields(value)}
        return replace(value, **checked_paths(options))
    return value


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


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
