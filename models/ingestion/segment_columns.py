"""Which columns of a user's table say where in its recording an utterance is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.frame_numbers import rate_column, unit_of, without_unit

#: Units in the names of columns with times, and their length in seconds.
UNITS = {
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millis": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "min": 60.0,
    "mins": 60.0,
    "minutes": 60.0,
    # ELAN writes "Begin Time - ss.msec" for seconds; a name has the unit that it names first.
    "ss": 1.0,
    "sekunden": 1.0,
    "segundos": 1.0,
    "secondes": 1.0,
}
_STARTS = {
    *("start", "begin", "beginning", "onset", "from", "tmin", "xmin", "offset"),
    *("beginn", "anfang", "von", "début", "inicio", "início", "inizio", "начало"),
}
_ENDS = {
    *("end", "stop", "finish", "to", "until", "tmax", "xmax", "offset"),
    *("ende", "bis", "fin", "fim", "fine", "конец"),
}
_DURATIONS = {
    *("duration", "dur", "length", "len"),
    *("dauer", "länge", "durée", "duración", "duração", "durata", "длительность"),
}
_NUMBERS = {"num", "n", "number", "count"}  # of frames or samples: a duration
# Words beside the one that matters, as in segment_start_time.
_FILLERS = {
    *("time", "times", "audio", "segment", "seg", "clip", "utterance", "turn", "in", "at", "pos"),
    *("hh", "mm", "hour", "minute", "zeit", "tiempo", "temps", "tempo"),
}


@dataclass(frozen=True)
class SegmentColumns:
    """Which columns of a table say where a segment is; None: there is none.

    Attributes:
        start: The column with the times at which segments begin.
        end: The column with the times at which they end.
        duration: The column with their durations, used where there is no ``end``.
    """

    start: str | None = None
    end: str | None = None
    duration: str | None = None


def find_segment_columns(
    columns: Sequence[str], given: SegmentColumns, taken: Sequence[str]
) -> SegmentColumns:
    """Find the columns that say where segments are, by their usual names.

    Args:
        columns: The columns of the table.
        given: The columns that the user named; these are taken as they are.
        taken: Columns that mean something else.

    Returns:
        The columns. ``offset`` is the end beside ``onset`` and the start otherwise. Without a start there are none.

    Example:
        >>> find_segment_columns(["id", "offset", "duration_ms"], SegmentColumns(), ["id"])
        SegmentColumns(start='offset', end=None, duration='duration_ms')
    """
    # The rate at which frames follow each other is no place.
    rates = {rate_column(columns, "frame"), rate_column(columns, "sample")}
    candidates = [column for column in columns if column not in taken and column not in rates]
    # Beside times, frames are not needed.
    free = {
        column: _name(column) for column in sorted(candidates, key=lambda name: unit_of(name) is not None)
    }

    def named(names: set[str]) -> str | None:
        return next((column for column, name in free.items() if name in names), None)

    start = given.start or named(_STARTS - {"offset"}) or named(_STARTS)
    free.pop(start or "", None)
    end = given.end or named(_ENDS - {"offset"}) or named(_ENDS)
    free.pop(end or "", None)
    duration = given.duration or named(_DURATIONS)
    if duration is None:
        duration = next(
            (column for column, name in free.items() if name in _NUMBERS and unit_of(column)), None
        )
    if start is None or (end is None and duration is None and given.start is None):
        return SegmentColumns()
    return SegmentColumns(start, end, duration)


def _name(column: str) -> str:
    """The word of a column's name that matters."""
    parts: Iterable[str] = words(column)
    if unit_of(column) is not None:
        parts = map(without_unit, parts)
    return "".join(word for word in parts if word not in _FILLERS and word not in UNITS)
