"""Names that Polars takes for a pattern of columns: ``*``, and what begins with ``^`` and ends with ``$``.

Names from tables and labels of others are used as columns, so none may select other columns than its own.
"""

from __future__ import annotations

from collections.abc import Sequence


def is_column_pattern(name: str) -> bool:
    """Whether a name may stand for several columns.

    Args:
        name: A column's name, or a label.

    Example:
        >>> is_column_pattern("*"), is_column_pattern("^a.*$"), is_column_pattern("a*")
        (True, True, False)
    """
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def column_names(names: Sequence[str]) -> list[str]:
    """The names that a table's columns get: patterns stand in brackets, and repeated names are numbered as by Polars.

    Args:
        names: The names in the file.

    Example:
        >>> column_names(["id", "*", "id"])
        ['id', '(*)', 'id_duplicated_0']
    """
    seen: dict[str, int] = {}
    distinct = []
    for given in names:
        name = f"({given})" if is_column_pattern(given) else given
        distinct.append(f"{name}_duplicated_{seen[name] - 1}" if name in seen else name)
        seen[name] = seen.get(name, 0) + 1
    return distinct
