"""Tables with the same columns, proposed as one table in parts, and the pattern that names them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from glob import escape
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl

from ambivox.models.ingestion.column_content import Source
from ambivox.models.ingestion.columns import all_named, named_columns
from ambivox.models.ingestion.headers import is_label_track
from ambivox.models.ingestion.table_parts import Part, join, some
from ambivox.models.ingestion.workbooks import sheet_names

_WITH_A_ROLE = ("utterances", "votes", "speakers")  # names of files that are tables of their own
# The share of rows in common from which two files are taken for versions of one, if they have as many rows as this:
# annotators of a few utterances may agree on all.
_SAME_ROWS, _LEAST_ROWS = 0.95, 10


def combine(sources: Sequence[Source], alone: Collection[Path]) -> list[Source]:
    """Join tables that have the same columns.

    Args:
        sources: The tables of one folder.
        alone: Files that are tables of their own.

    Returns:
        The tables, those with the same columns as one. What a user should confirm first is among a table's doubts.
    """
    groups: dict[tuple[object, ...], list[Source]] = {}
    for source in sources:
        columns = tuple(sorted(source.frame.columns))
        is_alone = source.path in alone or source.path.stem.lower() in _WITH_A_ROLE or is_label_track(source)
        place: object = source.path if source.sheet is not None or is_alone else source.path.suffix.lower()
        groups.setdefault((place, source.sheet is None, columns), []).append(source)
    return [_combined(group) if len(group) > 1 else group[0] for group in groups.values()]


def _combined(group: Sequence[Source]) -> Source:
    first = group[0]
    frames = [source.frame.select(first.frame.columns) for source in group]
    if first.sheet is None:
        names = [source.path.name for source in group]
        there = {path.name for path in first.path.parent.iterdir() if path.is_file()}
        option, all_names = "utterances", f"*{first.path.suffix}"
    else:
        names = [str(source.sheet) for source in group]
        there = set(sheet_names(first.path))
        option, all_names = "sheet", "*"
    doubts = _versions(names, frames)
    # The wider pattern, where it fits, also names what is added later.
    patterns = [all_names, _common_pattern(names)]
    others = {name for name in there - set(names) if not name.startswith((".", "~$"))}
    fitting = [each for each in patterns if not any(fnmatchcase(other, each) for other in others)]
    if not fitting:
        doubts.append(
            f"{some(names)} have the same columns, but no pattern names these alone; --options.{option} 'PATTERN', such as "
            f"{patterns[1]!r}, names the tables to read as one, or --options.{option} NAME one of them"
        )
    pattern = (fitting or patterns)[0]
    frame = join([Part(source.path, source.sheet) for source in group], frames)
    path, sheet = (first.path.with_name(pattern), None) if first.sheet is None else (first.path, pattern)
    return Source(path, frame, sheet, first.is_listed, len(group), tuple(doubts))


def _common_pattern(names: Sequence[str]) -> str:
    """What the names begin and end with, and an asterisk between."""
    prefix = _beginning(names)
    suffix = _beginning([name[len(prefix) :][::-1] for name in names])[::-1]
    return f"{escape(prefix)}*{escape(suffix)}"


def _beginning(names: Sequence[str]) -> str:
    """What all names begin with."""
    first, last = min(names), max(names)  # in alphabetical order, all others are between these
    length = next(
        (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )
    return first[:length]


def _versions(names: Sequence[str], frames: Sequence[pl.DataFrame]) -> list[str]:
    """Tables that hold nearly the same rows, or the same annotators' labels of the same recordings, are versions of one."""
    columns = frames[0].columns
    labels = named_columns("label", columns)[:1]
    compared = [columns]
    if labels and all_named("annotator", columns):
        compared.append([column for column in columns if column not in labels])
    for chosen in compared:
        try:
            rows = [np.unique(frame.select(chosen).hash_rows().to_numpy()) for frame in frames]
        except pl.exceptions.PolarsError:  # of nested values
            return []
        if found := _same(names, rows):
            return found
    return []


def _same(names: Sequence[str], rows: Sequence[np.ndarray]) -> list[str]:
    """The first two tables of which nearly all rows are the same."""
    for (first, rows_of_first), (second, rows_of_second) in combinations(zip(names, rows, strict=True), 2):
        least = min(len(rows_of_first), len(rows_of_second))
        if least < _LEAST_ROWS:
            continue
        shared = len(np.intersect1d(rows_of_first, rows_of_second, assume_unique=True))
        if shared >= _SAME_ROWS * least:
            return [f"{first} and {second} hold the same rows; remove one of them, or name the table to read"]
    return []
