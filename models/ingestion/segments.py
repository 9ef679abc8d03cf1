"""Segments in a user's table: rows that share a recording, with times in it, and the channel to hear."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.ingestion.columns import require_columns
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.frame_numbers import have_parts, rate_doubt, rates_of
from ambivox.models.ingestion.nested import as_text, refuse_nested, single_columns
from ambivox.models.ingestion.segment_columns import SegmentColumns, find_segment_columns
from ambivox.models.ingestion.segment_times import PROBLEM, read_segments

_SIDES = {
    **dict.fromkeys(
        ("left", "l", "links", "gauche", "izquierda", "sinistra", "ch1", "channel 1", "channel1"), "1"
    ),
    **dict.fromkeys(
        ("right", "r", "rechts", "droite", "derecha", "destra", "ch2", "channel 2", "channel2"), "2"
    ),
}
_CHANNELS = frozenset(str(number) for number in range(65)) | _SIDES.keys()


def table_segments(
    path: Path, table: pl.DataFrame, audio: str, given: SegmentColumns, channel: str, taken: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    """Read where the utterances of a table are in their recordings.

    Columns that the user did not name are read only if several rows share a recording: tables of clips that were cut
    before often keep the times that the clips had in the longer recording.

    Args:
        path: The table, for messages.
        table: Its rows.
        audio: The column with audio.
        given: The columns with times that the user named.
        channel: The column with channels, if there is one.
        taken: Columns that mean something else.

    Returns:
        ``start_seconds``, ``end_seconds`` and ``segment_problem`` where there are segments, ``channel`` where there are
        channels; and notes.

    Raises:
        UserError: A column that the user named is not there.
    """
    named = {column: role for role, column in vars(given).items() if column is not None}
    require_columns(path, list(named), table.columns, named)
    refuse_nested(path, table, list(named))
    columns = find_segment_columns(single_columns(table), given, taken)
    segments, notes = pl.DataFrame(), list[str]()
    if columns.start is not None:
        places = {role: column for role, column in vars(columns).items() if column is not None}
        rates = {role: rates_of(path, table, audio, column) for role, column in places.items()}
        segments, notes = read_segments(table, columns, rates, is_sure=given.duration is not None)
        doubt = rate_doubt(list(places.values()), table.columns)
        if doubt is not None and (given.start is not None or have_parts(table, audio, [columns.start])):
            raise UserError(f"{path}: {doubt}")
        if not named and not _are_shared(table[audio], segments):
            table_problems, segments = segments[PROBLEM], pl.DataFrame()
            why, unreadable = "no recording has two places", table_problems.drop_nulls()
            if 2 * len(unreadable) > table.height:
                why = f"most of its values are no times, such as {unreadable[0]!r}"
            notes = [
                f"column {columns.start!r} is not read as a place in the recording, because {why}; if it is one, add "
                f"--options.start {shlex.quote(columns.start)}"
            ]
    if channel in table.columns:
        channels = read_channels(table[channel])
        if channels is None:
            notes.append(
                f"column {channel!r} is not read, because it holds more than channels (1, 2, left, right)"
            )
        else:
            column = channels.alias("channel")
            segments = segments.with_columns(column) if segments.width else column.to_frame()
    return segments, notes


def place_columns(frame: pl.DataFrame, given: Mapping[str, Any], taken: Sequence[str]) -> set[str]:
    """Find the columns that say which part and which channel of its recording an utterance is.

    Args:
        frame: A table.
        given: Options of the corpus ``table``.
        taken: Columns that mean something else.

    Returns:
        Their names.
    """
    times = SegmentColumns(given.get("start"), given.get("end"), given.get("duration"))
    places = {*vars(find_segment_columns(single_columns(frame), times, taken)).values()}
    channel = given.get("channel", "channel")
    if channel in frame.columns and read_channels(frame[channel]) is not None:
        places.add(channel)
    return {column for column in places if column is not None}


def reject_unreadable(utterances: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Separate utterances whose times cannot be read.

    Args:
        utterances: Utterances with the columns of ``table_segments``.

    Returns:
        The utterances with readable times or none, and the others as rejects.
    """
    if PROBLEM not in utterances.columns:
        return utterances, rejected(utterances.clear(), "")
    is_unreadable = pl.col(PROBLEM).is_not_null()
    rejects = rejected(utterances.filter(is_unreadable), "unreadable segment", pl.col(PROBLEM))
    return utterances.filter(~is_unreadable).drop(PROBLEM), rejects


def read_channels(values: pl.Series) -> pl.Series | None:
    """Read the channel to hear: 1 or left, 2 or right, ...; numbers from 0 where a 0 occurs.

    Args:
        values: The column.

    Returns:
        The channel from 1, null where it is empty; None where the column holds something else.
    """
    if values.dtype.is_nested():
        return None
    texts = as_text(values).str.strip_chars().str.to_lowercase().str.strip_suffix(".0").replace("", None)
    if not texts.drop_nulls().is_in(list(_CHANNELS)).all():
        return None
    numbers = texts.replace(_SIDES).cast(pl.Int64)
    return numbers + 1 if (numbers == 0).any() else numbers


def distinct_ids(ids: pl.Series, audio: pl.Series, segments: pl.DataFrame) -> tuple[pl.Series, list[str]]:
    """Tell apart utterances that share an id, by their recordings, and by their times and channels in it.

    Args:
        ids: The utterance ids of a table's rows.
        audio: The recordings of these rows.
        segments: The columns of ``table_segments`` for these rows; none where there are no segments.

    Returns:
        The ids, those of only one recording and segment as they are; and a note where an id has several recordings.

    Example:
        >>> times = pl.DataFrame({"start_seconds": [0.0, 1.5], "end_seconds": [1.5, 2.0]})
        >>> distinct_ids(pl.Series(["call", "call"]), pl.Series(["a.wav", "a.wav"]), times)[0].to_list()
        ['call@0-1.5', 'call@1.5-2']
        >>> distinct_ids(pl.Series(["1", "1"]), pl.Series(["a.wav", "b.wav"]), pl.DataFrame())[0].to_list()
        ['1@a.wav', '1@b.wav']
    """
    table = pl.DataFrame({"id": ids, "audio": audio})
    is_ambiguous = table.select(pl.col("audio").drop_nulls().n_unique().over("id") > 1).to_series()
    told_apart = table.select(
        pl.when(is_ambiguous).then(pl.format("{}@{}", "id", "audio")).otherwise("id").alias("id")
    ).to_series()
    notes = []
    if is_ambiguous.any():
        first = ids.filter(is_ambiguous)[0]
        notes.append(
            f"{counted(ids.filter(is_ambiguous).n_unique(), 'utterance id stands', 'utterance ids stand')} beside several "
            f"recordings, such as {first!r}: the name of the recording is added to it"
        )
    places = segments.drop(PROBLEM, strict=False)
    if not places.width:
        return told_apart, notes
    frame = places.with_columns(told_apart.alias("id"))
    is_shared = frame.select(pl.struct(places.columns).n_unique().over("id") > 1).to_series()
    texts = [
        None if name is None else f"{name}@" + "-".join(f"{value:g}" for value in place if value is not None)
        for name, place in zip(told_apart, places.iter_rows(), strict=True)
    ]
    shared = pl.DataFrame({"id": told_apart, "text": pl.Series(texts, dtype=pl.String)})
    return shared.select(pl.when(is_shared).then("text").otherwise("id")).to_series(), notes


def _are_shared(audio: pl.Series, segments: pl.DataFrame) -> bool:
    """Whether a recording has two different segments, and most times can be read: the others are rejects."""
    if 2 * segments[PROBLEM].null_count() < segments.height:
        return False
    is_readable = pl.col("start_seconds").is_not_null() & pl.col(PROBLEM).is_null()
    places = segments.with_columns(audio.alias("audio")).filter(is_readable).unique()
    return bool(places["audio"].is_duplicated().any())
