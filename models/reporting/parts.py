"""What a section of the report is made of, and how any of the steps' JSON becomes tables a person can read."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ambivox.models.reporting.estimates import as_estimate, humanised, number, written

ROWS = 60
_WIDE = 2.1
_VIEW_BOX = re.compile(r'viewBox="0 0 ([0-9.]+) ([0-9.]*[1-9][0-9.]*)"')
_TEXT = 300


@dataclass(frozen=True)
class Sheet:
    """A table: a caption, its columns and its cells (text is escaped when the page is made)."""

    caption: str
    columns: list[str]
    rows: list[list[Any]]
    wide: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture inside the page. It is an ``img``, so that nothing within it can run or collide with its neighbours."""

    title: str
    source: str
    wide: bool = False


@dataclass
class Section:
    """One part of the report; a section with nothing in it says so in ``missing``."""

    key: str
    title: str
    text: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    details: list[Sheet] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)
    missing: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (
            self.text or self.warnings or self.sheets or self.pictures or self.details or self.examples
        )


def pictures(folder: Path) -> list[Picture]:
    """Every SVG and PNG of ``folder`` and of the folders in it, by name."""
    kinds = {".svg": "image/svg+xml", ".png": "image/png"}
    found = sorted(path for path in folder.rglob("*") if path.suffix in kinds) if folder.is_dir() else []
    made = []
    for path in found:
        inner = path.relative_to(folder).parent.as_posix()
        title = humanised(path.stem.replace("-", " ")).capitalize() + ("" if inner == "." else f" ({inner})")
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        made.append(Picture(title, f"data:{kinds[path.suffix]};base64,{encoded}", _is_wide(path)))
    return made


def _is_wide(path: Path) -> bool:
    """Whether a drawing has panels side by side, and so wants the whole width of the page."""
    if path.suffix != ".svg":
        return False
    with path.open(encoding="utf-8", errors="replace") as opened:
        box = _VIEW_BOX.search(opened.read(2000))
    return box is not None and float(box[1]) > _WIDE * float(box[2])


def cell(value: Any) -> str:
    """One value as text: figures with their intervals, long text cut with a mark."""
    if value is None:
        return "–"
    if isinstance(value, bool | int | float):
        return number(value)
    if isinstance(value, Mapping) and (found := as_estimate(value)) is not None:
        return written(found)
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}… ({len(value):,} characters)"
    if isinstance(value, Mapping):
        return cell("; ".join(f"{humanised(str(name))} {cell(inner)}" for name, inner in value.items()))
    if isinstance(value, Sequence):
        shown = ", ".join(cell(item) for item in value[:12])
        return cell(shown + (f", … ({len(value)} in all)" if len(value) > 12 else ""))
    return cell(str(value))


def sheets(value: Any, caption: str = "") -> list[Sheet]:
    """Any JSON value as tables: records become rows, nested mappings their own tables, long ones are cut and say so."""
    if isinstance(value, Mapping):
        return _from_mapping(folded(value), caption)
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        columns = list(dict.fromkeys(name for row in value for name in row))
        return [
            _cut(
                caption,
                [humanised(c) for c in columns],
                [[cell(row.get(c)) for c in columns] for row in value],
            )
        ]
    return [Sheet(caption, ["value"], [[cell(value)]])] if value not in (None, [], "") else []


def folded(value: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with every ``x``, ``x_low``, ``x_high`` (or ``js``, ``low``, ``high``) made one figure with its interval."""
    ends = {name: (f"{name}_low", f"{name}_high") for name in value}
    if "js_low" not in value:
        ends["js"] = ("low", "high")
    made: dict[str, Any] = {}
    used: set[str] = set()
    for name, inner in value.items():
        low, high = (value.get(end) for end in ends[name])
        if isinstance(inner, int | float) and isinstance(low, int | float) and isinstance(high, int | float):
            made[name] = {"value": inner, "low": low, "high": high}
            used |= set(ends[name])
        else:
            made[name] = folded(inner) if isinstance(inner, Mapping) and as_estimate(inner) is None else inner
    return {name: inner for name, inner in made.items() if name not in used}


def _from_mapping(value: Mapping[str, Any], caption: str) -> list[Sheet]:
    plain = {name: inner for name, inner in value.items() if _is_plain(inner)}
    nested = {name: inner for name, inner in value.items() if name not in plain}
    made = []
    if plain:
        made.append(
            _cut(caption, ["", ""], [[humanised(str(name)), cell(inner)] for name, inner in plain.items()])
        )
    records = {
        name: inner
        for name, inner in nested.items()
        if isinstance(inner, Mapping) and all(_is_plain(part) for part in inner.values())
    }
    if len(records) >= 2:
        columns = list(dict.fromkeys(part for inner in records.values() for part in inner))
        # Records of one kind share their columns; records of different kinds would make a table full of holes.
        filled = sum(len(inner) for inner in records.values()) / (len(columns) * len(records))
        if filled > 0.5 and len(columns) <= 14:
            rows = [
                [humanised(str(n)), *(cell(inner.get(c)) for c in columns)] for n, inner in records.items()
            ]
            made.append(_cut(caption, ["", *(humanised(c) for c in columns)], rows))
            nested = {name: inner for name, inner in nested.items() if name not in records}
    for name, inner in nested.items():
        made += sheets(inner, f"{caption} · {humanised(str(name))}" if caption else humanised(str(name)))
    return made


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return as_estimate(value) is not None
    return not (isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value))


def _cut(caption: str, columns: list[str], rows: list[list[Any]]) -> Sheet:
    if len(rows) > ROWS:
        caption = f"{caption} (the first {ROWS} of {len(rows):,} rows)".strip()
    return Sheet(caption, columns, rows[:ROWS], wide=len(columns) > 6)
