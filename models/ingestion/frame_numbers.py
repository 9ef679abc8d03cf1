"""Places in recordings that are numbers of frames or samples: how many of them are a second."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from ambivox.models.audio.probing import probe
from ambivox.models.ingestion.audio_paths import resolve_audio
from ambivox.models.ingestion.columns import words
from ambivox.models.ingestion.nested import as_text

Unit = Literal["frame", "sample"]
_COUNTED: dict[str, Unit] = {
    **dict.fromkeys(("frame", "frames", "frameno", "framenumber", "bild", "bilder"), "frame"),
    **dict.fromkeys(("sample", "samples", "smp", "smpl"), "sample"),
}
_RATES: dict[Unit, frozenset[str]] = {
    "frame": frozenset({"fps", "framerate", "framespersecond", "framespers", "framespersec", "bildrate"}),
    "sample": frozenset(
        {"samplerate", "samplingrate", "sr", "fs", "samplingfrequency", "samplefrequency", "samplingfreq", "abtastrate"}
    ),
}  # fmt: skip
_NO_UNITS = {"audio", "video", "hz", "in"}
_KILOHERTZ = re.compile(r"(?<![a-z])khz(?![a-z])", re.IGNORECASE)
_RATE = re.compile(r"^\s*(\d+(?:[.,]\d+)?)\s*(?:(fps|k?hz)\s*)?$", re.IGNORECASE)
_LOWEST_SAMPLE_RATE = 1000.0  # a smaller number is one of kilohertz
_WHOLE = re.compile(r"^[+-]?\d+(\.0+)?$")


def unit_of(column: str | None) -> Unit | None:
    """Tell whether a column is named after frames or samples.

    Args:
        column: The column's name.

    Example:
        >>> unit_of("start_frame"), unit_of("EndSample"), unit_of("startframe"), unit_of("start_s")
        ('frame', 'sample', 'frame', None)
    """
    if column is None:
        return None
    for word in words(column):
        for name, unit in _COUNTED.items():
            if word == name or (word.endswith(name) and without_unit(word) != word):
                return unit
    return None


def without_unit(word: str) -> str:
    """A word of a column's name without the frames or samples that stand at its end or its beginning.

    Args:
        word: Lower-case letters.

    Example:
        >>> without_unit("startframe"), without_unit("frames"), without_unit("beginning")
        ('start', '', 'beginning')
    """
    match = re.fullmatch(r"(frames?|samples?)?(.*?)(frames?|samples?)?", word)
    return word if match is None else match[2]


def rate_column(columns: Sequence[str], unit: Unit) -> str | None:
    """Find the column that says how many frames or samples are a second.

    Args:
        columns: The columns of a table.
        unit: What is counted.
    """
    plain = {
        column: "".join(word for word in words(_KILOHERTZ.sub("", column)) if word not in _NO_UNITS)
        for column in columns
    }
    return next((column for column, name in plain.items() if name in _RATES[unit]), None)


def rate_doubt(times: Sequence[str | None], columns: Sequence[str]) -> str | None:
    """What the user should add where places are numbers of frames, and nothing says how many of them are a second.

    Args:
        times: The columns with places.
        columns: The columns of the table.

    Returns:
        A sentence, or None. The rate of samples is that of the recording.
    """
    counted = [name for name in times if name is not None and unit_of(name) == "frame"]
    if not counted or rate_column(columns, "frame") is not None:
        return None
    return (
        f"{' and '.join(map(repr, counted))} are numbers of frames, and no column says how many of them are a second: add a "
        "column frame_rate, or write seconds (start, end)"
    )


def have_parts(table: pl.DataFrame, audio: str, places: Sequence[str]) -> bool:
    """Whether a recording stands beside several places: clips that were cut before keep one of the longer recording.

    Args:
        table: A table.
        audio: Its column with audio.
        places: Its columns with places.
    """
    if not places or table[audio].dtype.is_nested():
        return False
    return bool(table.select(audio, *places).unique()[audio].is_duplicated().any())


def rates_of(path: Path, table: pl.DataFrame, audio: str, column: str) -> list[float | None] | None:
    """How many of what a column counts are a second, per row.

    Args:
        path: The table's file; recordings are found from its folder.
        table: Its rows.
        audio: The column with audio.
        column: The column with places.

    Returns:
        The rates, None where unknown; None where the column holds times.
    """
    unit = unit_of(column)
    if unit is None:
        return None
    named = rate_column(table.columns, unit)
    if named is not None:
        return [_rate(text, named, unit) for text in as_text(table[named])]
    if unit == "frame":
        return [None] * table.height
    names = as_text(table[audio]).str.strip_chars().to_frame("audio")
    distinct = names.unique().drop_nulls().with_columns(key=pl.col("audio"))
    found, _, _ = resolve_audio(distinct.with_columns(utterance_id=pl.col("audio")), path.parent)
    probed = probe(found["audio"].to_list())
    rates = dict(zip(found["key"], probed["sample_rate_hz"], strict=True))
    return [rates.get(name) for name in names["audio"]]


def seconds_of(text: str, rate: float | None) -> float | None:
    """Turn a number of frames or samples into seconds; None where it is none, or the rate is unknown.

    Args:
        text: The cell.
        rate: How many are a second.

    Example:
        >>> seconds_of("50", 25.0), seconds_of("1.5", 25.0), seconds_of("50", None)
        (2.0, None, None)
    """
    return round(float(text) / rate, 6) if rate and _WHOLE.match(text) else None


def _rate(text: str | None, column: str, unit: Unit) -> float | None:
    match = _RATE.match(text or "")
    if match is None:
        return None
    number = float(match[1].replace(",", "."))
    if _KILOHERTZ.search(column) or (match[2] or "").lower() == "khz":
        number *= 1000
    return None if number <= 0 or (unit == "sample" and number < _LOWEST_SAMPLE_RATE) else number
