"""A third table beside utterances and votes: one row per speaker, with sex, age or language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.ingestion.cleaning import restore_whole_numbers
from ambivox.models.ingestion.column_content import Source, distinct_texts, overlap
from ambivox.models.ingestion.columns import best_named, named_columns
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.nested import as_text, refuse_nested, single_columns
from ambivox.models.ingestion.reading import read_table
from ambivox.models.ingestion.utterance_rows import text_column

#: What a table of speakers may tell about them.
SPEAKER_ROLES = ("sex", "age", "language")
_KEY = "ambivox:speaker"
_IS_SPEAKERS = 0.5  # the share of its speakers that must occur in the utterances


def find_speaker_table(
    sources: Sequence[Source], utterances: Source, speaker: str, taken: set[Path]
) -> Source | None:
    """Find the table that describes the speakers.

    Args:
        sources: All tables.
        utterances: The table of utterances.
        speaker: Its column with speakers.
        taken: The files of utterances and votes.

    Returns:
        The table; None where there is none.
    """
    for source in sources:
        if source.path in taken or source.sheet is not None or speaker not in utterances.frame.columns:
            continue
        key = _key_column(source.frame, utterances.frame[speaker])
        if key is not None and any(named_columns(role, source.frame.columns) for role in SPEAKER_ROLES):
            return source
    return None


def join_speakers(
    utterances: pl.DataFrame, path: Path, settings: Mapping[str, Any]
) -> tuple[pl.DataFrame, list[str]]:
    """Add what a table of speakers says to the utterances; what their own table says stays.

    Args:
        utterances: Rows with ``speaker``.
        path: The table of speakers.
        settings: Options of the corpus ``table``; sex, age and language may name its columns.

    Returns:
        The utterances, and notes.

    Raises:
        UserError: The table was named and has no column with these speakers, or it has two rows for one that differ.
    """
    if "speaker" not in utterances.columns:
        raise UserError(
            f"{path}: describes speakers, but the utterances have none; name their column with --options.speaker"
        )
    table = read_table(path, (), resembling=("speaker", *SPEAKER_ROLES))
    key = _key_column(table, utterances["speaker"])
    if key is None:
        problem = (
            f"{path}: no column has the speakers of the utterances, such as {utterances['speaker'].drop_nulls().first()!r}; "
            f"found {table.columns[:-1]}"
        )
        if "speakers" in settings:
            raise UserError(problem)
        return utterances, [f"not read: {problem}"]
    others = [column for column in table.columns if column not in (key, LINE)]
    columns: dict[str, str] = {}
    for role in SPEAKER_ROLES:
        named = [str(settings[role])] if role in settings else named_columns(role, others)
        if role not in utterances.columns and named and named[0] in others:
            columns[role] = named[0]
    refuse_nested(path, table, list(columns.values()))
    selected = table.select(
        _names(table, key), *(text_column(column).alias(role) for role, column in columns.items())
    )
    selected = selected.drop_nulls(_KEY).unique(maintain_order=True)
    repeated = selected.filter(pl.col(_KEY).is_duplicated())
    if repeated.height:
        raise UserError(
            f"{path}: {repeated[_KEY][0]!r} has several rows that differ; expected one row per speaker"
        )
    numbers, _ = restore_whole_numbers(utterances.select(text_column("speaker")).to_series(), "speakers")
    joined = utterances.with_columns(numbers.alias(_KEY)).join(
        selected, on=_KEY, how="left", maintain_order="left"
    )
    unknown = sorted(set(numbers.drop_nulls()) - set(selected[_KEY]))
    notes = [f"{', '.join(columns) or 'nothing'} of the speakers from {path.name}, column {key!r}"]
    if unknown:
        notes.append(f"{path.name} lacks {counted(len(unknown), 'speaker')}, such as {unknown[0]!r}")
    return joined.drop(_KEY), notes


def _key_column(table: pl.DataFrame, speakers: pl.Series) -> str | None:
    """The column that holds the speakers; of several the one that is called so."""
    restored, _ = restore_whole_numbers(as_text(speakers).str.strip_chars(), "speakers")
    known = distinct_texts(restored)
    texts = table.select(map(text_column, single_columns(table)))
    shares = {}
    for column in texts.columns:
        names, _ = restore_whole_numbers(texts[column].unique(), "speakers")
        shares[column] = overlap(names, known)
    named = best_named("speaker", table.columns)
    best = max(shares, key=lambda column: (shares[column], column == named), default=None)
    return best if best is not None and shares[best] >= _IS_SPEAKERS else None


def _names(table: pl.DataFrame, column: str) -> pl.Series:
    names, _ = restore_whole_numbers(table.select(text_column(column)).to_series(), "speakers")
    return names.alias(_KEY)
