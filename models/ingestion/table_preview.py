"""A user's table as it would be read: the columns' meanings, three votes, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path
from ambivox.models.ingestion.column_content import Source
from ambivox.models.ingestion.columns import named_columns
from ambivox.models.ingestion.nested import embedded_recordings
from ambivox.models.ingestion.proposal import propose
from ambivox.models.ingestion.proposed_options import OPTIONAL_ROLES, Proposal
from ambivox.models.ingestion.segments import place_columns
from ambivox.models.ingestion.table_files import find_tables, list_sources, no_table
from ambivox.models.ingestion.table_parts import TABLE, read_parts
from ambivox.models.ingestion.table_settings import COLUMNS, column_of, read_settings
from ambivox.models.ingestion.user_table import read_user_table

_EXAMPLES = 3
_WIDEST = 40  # characters of a cell


@dataclass
class Preview:
    """What the user sees of a table.

    Attributes:
        settings: Options of the corpus ``table``, as the mapping file keeps them.
        lines: Lines for the terminal.
        missing: What no column was found for, a phrase each.
        doubts: What the user should confirm.
    """

    settings: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def preview(root: Path, given: Mapping[str, Any]) -> Preview:
    """Propose how a table is read, and read it so.

    Args:
        root: The folder with the tables, or a table.
        given: Options that the user gave.

    Returns:
        The proposal and what it leads to.

    Raises:
        UserError: There is no table, or it is damaged.
    """
    if not root.exists():
        raise UserError(f"{root}: no such file or folder")
    sources, left_out = list_sources(root, given)
    if not sources:
        raise no_table(root)
    proposal = propose(sources, given)
    lists = {name: list(value) for name, value in given.items() if isinstance(value, tuple)}
    place = {} if root.is_dir() else {"utterances": root.name}
    shown = Preview(
        {**place, **given, **lists, **proposal.options},
        missing=list(proposal.missing),
        doubts=proposal.doubts,
    )
    for source in sources:
        where = source.path.name + (f", sheet {source.sheet}" if source.sheet else "")
        parts = f"{source.parts} tables of the same columns, " if source.parts > 1 else ""
        columns = ", ".join(column for column in source.frame.columns if column != TABLE)
        shown.lines.append(f"{where}: {parts}{counted(source.frame.height, 'row')}; columns {columns}")
    shown.lines += _mapping_lines(shown.settings, proposal)
    shown.lines += _unread(sources, shown.settings)
    shown.lines += [f"please check: {doubt}" for doubt in proposal.doubts]
    shown.lines += [f"note: {hint}" for hint in [*proposal.hints, *left_out]]
    if not shown.missing:
        shown.lines += _example_lines(root, shown.settings)
    return shown


def _mapping_lines(settings: Mapping[str, Any], proposal: Proposal) -> list[str]:
    """One line per option: what it is, and why."""
    if not settings:
        return ["all columns have their usual names"]
    return [
        f"  {name:<15} {', '.join(value) if isinstance(value, list | tuple) else value}"
        f"  ({proposal.reasons.get(name, 'as given')})"
        for name, value in settings.items()
    ]


def _unread(sources: Sequence[Source], settings: Mapping[str, Any]) -> list[str]:
    """One line that names the columns which mean nothing to the proposal."""
    read = {TABLE, *(column_of(settings, role) for role in COLUMNS)}
    for value in settings.values():
        read |= {value} if isinstance(value, str) else set(value)
    unread = [
        column
        for source in sources
        for places in [place_columns(source.frame, settings, list(read))]
        for column in source.frame.columns
        if column
        and column not in read | places
        and not any(named_columns(role, [column]) for role in OPTIONAL_ROLES)
    ]
    return [f"not read: {', '.join(dict.fromkeys(unread))}"] if unread else []


def _example_lines(root: Path, settings: Mapping[str, Any]) -> list[str]:
    """Three votes with their utterances, the numbers of both, and notes."""
    lists = {name: tuple(value) for name, value in settings.items() if isinstance(value, list)}
    try:
        data = read_user_table(root, {**settings, **lists})
    except UserError as error:
        if "holds the recordings themselves" in str(error):
            return ["the recordings are in the table; --write writes them to files"]
        raise
    joined = data.votes.drop("line", "file", strict=False).join(
        data.utterances.drop("line", "file", strict=False),
        on="utterance_id",
        how="inner",
        maintain_order="left",
    )
    lines = ["three votes as they are read:"]
    for row in joined.head(_EXAMPLES).rows(named=True):
        cells = (f"{name}={_short(str(value))}" for name, value in row.items() if value is not None)
        lines.append("  " + "  ".join(cells))
    counts = data.votes["label"].drop_nulls().value_counts(sort=True).head(12).rows()
    labels = ", ".join(f"{label} {count}" for label, count in counts)
    lines.append(
        f"{counted(data.utterances.height, 'utterance')} of {counted(_known(data.utterances, 'speaker'), 'known speaker')}, "
        f"{counted(data.votes.height, 'vote')} of {counted(data.votes['annotator_id'].n_unique(), 'annotator')}: {labels}"
    )
    lines += [f"note: {note}" for note in data.notes]
    reasons = Counter(data.rejects["reason"])
    return lines + [f"rejected: {reason} {count}" for reason, count in sorted(reasons.items())]


def _short(text: str) -> str:
    """The end of a long text: paths differ at their ends."""
    return text if len(text) <= _WIDEST else f"…{text[-_WIDEST:]}"


def _known(utterances: pl.DataFrame, column: str) -> int:
    return utterances[column].drop_nulls().n_unique() if column in utterances.columns else 0


def write_recordings(root: Path, settings: Mapping[str, Any]) -> dict[Path, int]:
    """Write the recordings that a table holds itself to files beside it; existing files stay.

    Args:
        root: The folder with the tables, or a table.
        settings: Options of the corpus ``table``.

    Returns:
        Folder -> number of recordings; empty where the table names files.
    """
    options = read_settings(root, settings)
    path, votes_path = find_tables(root, options)
    if options.get("shape") == "clips" and path == votes_path:
        return {}  # columns are named after recordings
    audio = column_of(options, "audio")
    table = read_parts(path, [audio], sheet=options.get("sheet"))
    if not isinstance(table[audio].dtype, pl.Struct):
        return {}
    recordings = embedded_recordings(path, table, audio)
    for file, content in recordings.items():
        if not file.exists():
            with atomic_path(file) as temporary:
                temporary.write_bytes(content)
    return dict(Counter(file.parent for file in recordings))
