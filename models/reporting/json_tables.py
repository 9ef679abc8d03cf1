"""Any JSON value as tables that a person can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ambivox.models.counted import counted
from ambivox.models.reporting.estimates import (
    display_name,
    format_estimate,
    format_number,
    is_estimate,
    parse_estimate,
)
from ambivox.models.reporting.source_names import SOURCE_NAMES
from ambivox.models.reporting.tables import Table
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.tables import SPLITS

#: Longer tables are cut, and their caption says so.
MAXIMUM_ROWS = 60
#: Keys in reading order; JSON files with sorted keys have lost it.
_ORDERS: tuple[Sequence[str], ...] = (SPLITS, tuple(SOURCE_NAMES), TERTILES, ("before", "after"))
_MAXIMUM_CHARACTERS = 300
_MAXIMUM_ITEMS = 12
_MAXIMUM_COLUMNS = 14


def json_tables(value: Any, caption: str = "") -> list[Table]:
    """Return a JSON value as tables.

    Records and lists become rows, and nested mappings become tables of their own. Tables longer than ``MAXIMUM_ROWS`` are cut.

    Args:
        value: any parsed JSON.
        caption: of the tables; keys of nested mappings are added to it.
    """
    if isinstance(value, Mapping):
        return _mapping_tables(merge_intervals(value), caption)
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        columns = list(dict.fromkeys(name for row in value for name in row))
        rows = [[format_cell(row.get(name)) for name in columns] for row in value]
        return [_cut(caption, [display_name(name) for name in columns], rows)]
    if _is_matrix(value):
        rows = [[str(row + 1), *map(format_cell, cells)] for row, cells in enumerate(value)]
        return [_cut(caption, ["", *(str(column + 1) for column in range(len(value[0])))], rows)]
    return [Table.of(["value"], [[format_cell(value)]], caption)] if value not in (None, [], "") else []


def format_cell(value: Any) -> str:
    """Return one value as text: estimates with their intervals, long text cut with a mark."""
    if value is None or value in ([], {}):
        return "–"
    if isinstance(value, bool | int | float):
        return format_number(value)
    if is_estimate(value):
        return format_estimate(parse_estimate(value))
    if isinstance(value, str):
        if len(value) <= _MAXIMUM_CHARACTERS:
            return value
        return f"{value[:_MAXIMUM_CHARACTERS]}… ({len(value):,} characters)"
    if isinstance(value, Mapping):
        parts = (f"{display_name(str(name))} {format_cell(inner)}" for name, inner in value.items())
        return format_cell("; ".join(parts))
    if isinstance(value, Sequence):
        shown = ", ".join(format_cell(item) for item in value[:_MAXIMUM_ITEMS])
        more = f", … ({len(value)} in total)" if len(value) > _MAXIMUM_ITEMS else ""
        return format_cell(shown + more)
    return format_cell(str(value))


def merge_intervals(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mapping with every ``x``, ``x_low``, ``x_high`` (or ``js``, ``low``, ``high``) merged into one estimate.

    Example:
        >>> merge_intervals({"js": 0.2, "js_low": 0.1, "js_high": 0.3, "n": 4})
        {'js': {'value': 0.2, 'low': 0.1, 'high': 0.3}, 'n': 4}
    """
    end_keys = {name: (f"{name}_low", f"{name}_high") for name in value}
    if "js_low" not in value:
        end_keys["js"] = ("low", "high")
    merged: dict[str, Any] = {}
    used: set[str] = set()
    for name, inner in value.items():
        low, high = (value.get(key) for key in end_keys[name])
        if isinstance(inner, int | float) and isinstance(low, int | float) and isinstance(high, int | float):
            merged[name] = {"value": inner, "low": low, "high": high}
            used |= set(end_keys[name])
        elif isinstance(inner, Mapping) and not is_estimate(inner):
            merged[name] = merge_intervals(inner)
        else:
            merged[name] = inner
    return {name: inner for name, inner in merged.items() if name not in used}


def _mapping_tables(value: Mapping[str, Any], caption: str) -> list[Table]:
    value = {name: value[name] for name in _in_reading_order(value)}
    flat = {name: inner for name, inner in value.items() if _is_flat(inner)}
    nested = {name: inner for name, inner in value.items() if name not in flat}
    tables = []
    if flat:
        rows = [[display_name(str(name)), format_cell(inner)] for name, inner in flat.items()]
        tables.append(_cut(caption, ["", ""], rows))
    records = {
        name: inner
        for name, inner in nested.items()
        if isinstance(inner, Mapping) and all(_is_flat(part) for part in inner.values())
    }
    if len(records) >= 2 and _share_columns(records):
        columns = _in_reading_order(dict.fromkeys(part for inner in records.values() for part in inner))
        rows = [
            [display_name(str(name)), *(format_cell(inner.get(part)) for part in columns)]
            for name, inner in records.items()
        ]
        tables.append(_cut(caption, ["", *(display_name(str(part)) for part in columns)], rows))
        nested = {name: inner for name, inner in nested.items() if name not in records}
    for name, inner in nested.items():
        inner_name = display_name(str(name))
        tables += json_tables(inner, f"{caption} · {inner_name}" if caption else inner_name)
    return tables


def _in_reading_order(keys: Iterable[str]) -> list[str]:
    """The keys in the order of numbers, splits, sources or levels where they are such; else as they are."""
    names = list(keys)
    if all(str(name).isdecimal() for name in names):
        return sorted(names, key=int)
    order = next((order for order in _ORDERS if set(names) <= set(order)), names)
    return sorted(names, key=order.index)


def _share_columns(records: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether one table of the records would have few empty cells."""
    columns = {part for inner in records.values() for part in inner}
    filled = sum(len(inner) for inner in records.values())
    return 0 < len(columns) <= _MAXIMUM_COLUMNS and filled > 0.5 * len(columns) * len(records)


def _is_flat(value: Any) -> bool:
    if isinstance(value, Mapping):
        return not value or is_estimate(value)
    return not (isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value))


def _is_matrix(value: Any) -> bool:
    """Whether the value is a list of equally long lists that a table can show."""
    if not isinstance(value, list) or not value or not all(isinstance(row, list) for row in value):
        return False
    return len({len(row) for row in value}) == 1 and 0 < len(value[0]) <= _MAXIMUM_COLUMNS


def _cut(caption: str, columns: list[str], rows: list[list[str]]) -> Table:
    if len(rows) > MAXIMUM_ROWS:
        caption = f"{caption} (the first {MAXIMUM_ROWS} of {counted(len(rows), 'row')})".strip()
    return Table.of(columns, rows[:MAXIMUM_ROWS], caption)
