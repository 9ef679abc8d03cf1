"""The mapping of a user's table, kept beside it: the options of the corpus ``table`` in ambivox-table.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ambivox.models.errors import UserError
from ambivox.models.file_errors import error_text
from ambivox.models.files import atomic_path
from ambivox.models.regular_files import check_fetched, check_regular

NAME = "ambivox-table.toml"
_HEADER = "# How Ambivox reads the table in this folder (docs/corpora.md). `ambivox table` writes this file; edit it freely.\n"


def mapping_path(root: Path) -> Path:
    """Return where the mapping of a table is kept: in its folder.

    Args:
        root: The folder with the tables, or a table.
    """
    return (root if root.is_dir() else root.parent) / NAME


def read_mapping(root: Path) -> dict[str, Any]:
    """Read the options that are kept beside a table.

    Args:
        root: The folder with the tables, or a table; for a table, a mapping that names another one does not count.

    Returns:
        Options by name; empty where there is no mapping.

    Raises:
        UserError: The file is not TOML, or no file.
    """
    path = mapping_path(root)
    check_regular(path, "the mapping of a table, in TOML")
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        check_fetched(path)
        raise UserError(
            f"{path}: cannot be read as TOML ({error_text(error)}); correct it, or run `ambivox table` again"
        ) from error
    if not root.is_dir() and options.get("utterances", root.name) != root.name:
        return {}
    return options


def write_mapping(root: Path, options: Mapping[str, Any]) -> Path:
    """Write the options of a table to its mapping.

    Args:
        root: The folder with the tables, or a table.
        options: Options by name: text, or lists of text.

    Returns:
        The file.
    """
    path = mapping_path(root)
    with atomic_path(path) as temporary:
        temporary.write_text(format_mapping(options), encoding="utf-8")
    return path


def format_mapping(options: Mapping[str, Any]) -> str:
    """Write options as TOML.

    Args:
        options: Options by name: text, or lists of text.

    Returns:
        The text of the file.
    """
    lines = [f"{name} = {_toml(value)}\n" for name, value in options.items()]
    return _HEADER + "".join(lines)


def _toml(value: Any) -> str:
    """A TOML value; JSON's strings and lists are TOML's, but for the character DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
