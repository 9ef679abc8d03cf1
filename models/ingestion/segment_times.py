"""The times of segments in a user's table: seconds, milliseconds, clock times and frames; and what contradicts itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.frame_numbers import seconds_of
from ambivox.models.ingestion.segment_columns import UNITS, SegmentColumns

#: The column that says why the times of a row are not used.
PROBLEM = "segment_problem"
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d+)?)")
# By so much, or by this share of it, an end and a duration may differ: times are often written with one decimal.
_ROUNDING_SECONDS, _ROUNDING = 0.1, 0.02


def read_segments(
    table: pl.DataFrame,
    columns: SegmentColumns,
    rates: Mapping[str, Sequence[float | None] | None],
    *,
    is_sure: bool = False,
) -> tuple[pl.DataFrame, list[str]]:
    """Read the times of segments.

    Args:
        table: The table.
        columns: Its columns with times: numbers in seconds, or in milliseconds where the column's name says so, or
            times such as 1:02:03.5.
        rates: start, end and duration -> per row, how many of what the column counts are a second; None where it holds
            times.
        is_sure: Whether the user says that the duration is the segment's.

    Returns:
        ``start_seconds``, ``end_seconds``, and ``segment_problem``: what was found where it cannot be read, or where end and
        duration contradict each other (null: fine). Where a row has no times, it is the whole recording. And a note
        where the durations are not read, because most rows contradict them.
    """
    texts = {
        role: table[column].cast(pl.String).str.strip_chars()
        for role, column in (("start", columns.start), ("end", columns.end), ("duration", columns.duration))
        if column is not None
    }
    scales = {role: _scale(getattr(columns, role)) for role in texts}
    rows: list[tuple[float | None, float | None, str | None]] = []
    contradictions: list[str | None] = []
    comparable = 0
    for number, row in enumerate(zip(*texts.values(), strict=True)):
        text_of = dict(zip(texts, row, strict=True))
        seconds = {
            role: _seconds(text, scales[role])
            if (rate := rates.get(role)) is None
            else seconds_of(text or "", rate[number])
            for role, text in text_of.items()
        }
        start, end, duration = (seconds.get(role) for role in ("start", "end", "duration"))
        contradictions.append(_contradiction(start, end, duration))
        comparable += end is not None and duration is not None
        if end is None and duration is not None and not text_of.get("end"):
            end = (start or 0.0) + duration if text_of.get("start") else None
        is_unreadable = any(text and seconds[role] is None for role, text in text_of.items())
        is_impossible = (start is not None and start < 0) or (end is not None and end <= (start or 0.0))
        shown = ", ".join(f"{getattr(columns, role)}: {text}" for role, text in text_of.items() if text)
        rows.append((start, end, shown if is_unreadable or is_impossible else None))
    # A duration that most rows contradict is of something else, such as the whole recording.
    found = [each for each in contradictions if each is not None]
    notes = []
    if not is_sure and found and 2 * len(found) >= comparable:
        notes = [
            f"column {columns.duration!r} is not read, because {len(found)} of {counted(comparable, 'row')} contradict it, such as "
            f"{found[0]}; if it is right, and {columns.end!r} is wrong: --options.duration {shlex.quote(columns.duration or '')}"
        ]
    else:
        rows = [
            (start, end, problem or contradiction)
            for (start, end, problem), contradiction in zip(rows, contradictions, strict=True)
        ]
    schema = {"start_seconds": pl.Float64, "end_seconds": pl.Float64, PROBLEM: pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row"), notes


def clock_times(values: pl.Series) -> pl.Series:
    """Write durations, such as pandas' timedeltas, as 0:00:01.500000: a time whatever the unit in the column's name.

    Args:
        values: The durations.
    """
    texts: list[str | None] = []
    for microseconds in values.dt.total_microseconds():
        if microseconds is None:
            texts.append(None)
            continue
        minutes, rest = divmod(abs(microseconds), 60_000_000)
        sign = "-" if microseconds < 0 else ""
        texts.append(f"{sign}{minutes // 60}:{minutes % 60:02}:{rest / 1e6:09.6f}")
    return pl.Series(values.name, texts, dtype=pl.String)


def _scale(column: str) -> float:
    """The unit of a column with times, in seconds."""
    return next((UNITS[word] for word in words(column) if word in UNITS), 1.0)


def _seconds(text: str | None, scale: float) -> float | None:
    """Read one time, a number of a unit or a clock time; None where it is neither."""
    if not text:
        return None
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = clock[1] or 0, clock[2], clock[3].replace(",", ".")
        return 3600 * float(hours) + 60 * float(minutes) + float(seconds)
    try:
        number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return None
    return round(number * scale, 6) if abs(number) < float("inf") else None


def _contradiction(start: float | None, end: float | None, duration: float | None) -> str | None:
    """What to say of an end and a duration that tell two lengths, beyond rounding; None where they do not."""
    if end is None or duration is None:
        return None
    length = end - (start or 0.0)
    if abs(length - duration) <= max(_ROUNDING_SECONDS, _ROUNDING * duration):
        return None
    return f"{length:g} s from start to end, but a duration of {duration:g} s"
