"""Delimited text as spreadsheets write it: the separator, the header's row, and rows with their line numbers."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl

from ambivox.models.column_patterns import column_names
from ambivox.models.errors import UserError
from ambivox.models.ingestion.columns import MOST_SUGGESTIONS, suggest_columns
from ambivox.models.ingestion.merged_headers import find_two_rows
from ambivox.models.ingestion.recordings import AUDIO_SUFFIXES

LINE = "ambivox:line"
SEPARATORS = (",", ";", "\t", "|")
_HEADER_ROWS = 20
_HEADER_LINES = 400  # more than 20 rows have, also where their cells hold several lines
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\1*', re.IGNORECASE)
Row = TypeVar("Row", bound=Sequence[str])
_IMPORT_ID = re.compile(r'\s*\{"ImportId":')
_RECORDING = re.compile(rf"({'|'.join(map(re.escape, AUDIO_SUFFIXES))})(?!\w)", re.IGNORECASE)
_DECIMAL_COMMA = r"^([+-]?\d*),(\d+)$"
_THOUSANDS_COMMA = r"^[+-]?[1-9]\d{0,2},\d{3}$"


@dataclass(frozen=True)
class Layout:
    """Where a delimited text has its header.

    Attributes:
        separator: The character between fields.
        skipped_lines: The number of lines above the header, or above its second row.
        header: The columns' names, where the header has two rows.
    """

    separator: str
    skipped_lines: int
    header: tuple[str, ...] = field(default=(), repr=False)


def find_layout(text: str, required: Sequence[str]) -> Layout:
    r"""Find the separator and the header: the first row that holds the required columns.

    Where no row holds all of them, the header is the row that resembles them most. A first line ``sep=;`` decides the
    separator.

    Args:
        text: The text, with single line feeds.
        required: Columns that must be there.

    Returns:
        The separator and the header's place.

    Example:
        >>> find_layout("Listening test 3,,\nid;audio\na;a.wav", ["id", "audio"])
        Layout(separator=';', skipped_lines=1)
    """
    declared = _SEPARATOR_LINE.fullmatch(text.split("\n", 1)[0])
    best, best_score = Layout(",", 0), (-1, 0, 0)
    # By a wrong separator, a quotation mark may seem to open a field that ends with the file.
    beginning = list(itertools.islice(io.StringIO(text), _HEADER_LINES))
    for separator in (declared[1],) if declared else _separators(beginning):
        rows = csv.reader(beginning, delimiter=separator)
        skipped_lines, places, first_rows = 0, [], []
        try:
            for row in itertools.islice(rows, _HEADER_ROWS):
                places.append(skipped_lines)
                first_rows.append([cell.strip() for cell in row])
                skipped_lines = rows.line_num
        except csv.Error:  # a field without an end; parsing reports it with its line
            pass
        first_rows = _possible_headers(first_rows)
        two_rows = find_two_rows(first_rows)
        if two_rows is not None:
            first_rows[two_rows.lower - 1 : two_rows.lower + 1] = [[], two_rows.names]
        for number, names in enumerate(first_rows):
            if any(names) and not (declared and number == 0):
                is_second = two_rows is not None and number == two_rows.lower
                place = places[number - is_second]
                score = (_resemblance(names, required), -place, sum(map(bool, names)))
                if score > best_score:
                    best = Layout(separator, places[number], tuple(names) if is_second else ())
                    best_score = score
    return best


def _separators(lines: Sequence[str]) -> list[str]:
    """Those that occur, and the first that does not: by all others the rows are the same."""
    is_there = {separator: any(separator in line for line in lines) for separator in SEPARATORS}
    absent = next((separator for separator in SEPARATORS if not is_there[separator]), None)
    return [separator for separator in SEPARATORS if is_there[separator] or separator == absent]


def parse_delimited(path: Path, text: str, layout: Layout, numbers: Sequence[str] = ()) -> pl.DataFrame:
    """Read the rows below the header: every column as text, surrounding blanks removed, empty fields null.

    Args:
        path: The file, for messages.
        text: Its text, with single line feeds.
        layout: The separator and the header's place.
        numbers: Columns of numbers, in which a decimal comma becomes a point.

    Returns:
        The columns, and LINE, each row's first line in the file. Rows without any text are left out; a row with too few
        fields is filled with nulls.

    Raises:
        UserError: A row has too many fields, or a quotation mark is not closed.
    """
    lines = itertools.islice(io.StringIO(text), layout.skipped_lines, None)
    reader = csv.reader(lines, delimiter=layout.separator, strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    line_numbers: list[int] = []
    start = layout.skipped_lines + 1
    try:
        for row in reader:
            if not header:
                header = list(layout.header) or [name.strip() for name in row]
            elif any(row):
                if len(row) > len(header) and any(map(str.strip, row[len(header) :])):
                    raise UserError(f"{path}:{start}: {len(row)} fields, but the header has {len(header)}")
                rows.append(row if len(row) <= len(header) else row[: len(header)])
                line_numbers.append(start)
            start = layout.skipped_lines + reader.line_num + 1
    except csv.Error as error:
        problem = "a quotation mark is not closed" if "end of data" in str(error) else str(error)
        raise UserError(f"{path}:{start}: {problem}") from error
    frame = text_frame(header, rows, line_numbers)
    return frame.with_columns(
        _decimal_points(frame[name], layout.separator) for name in numbers if name in frame.columns
    )


def text_frame(
    header: Sequence[str], rows: Sequence[Sequence[str]], line_numbers: Sequence[int]
) -> pl.DataFrame:
    """Make a table of text: surrounding blanks removed, empty fields null.

    Rows above the data that describe the columns for a program (a survey's ImportId), and what stands before them, are
    left out; a question above them that names a recording becomes the column's name.

    Args:
        header: The columns' names; see ``column_names``.
        rows: The fields of every row, no more than the header has.
        line_numbers: The line of every row.

    Returns:
        The columns, and LINE. Rows without any text are left out; a row with too few fields is filled with nulls.
    """
    described = [number for number, row in enumerate(rows[:_HEADER_ROWS]) if any(map(_IMPORT_ID.match, row))]
    first = described[-1] + 1 if described else 0
    if first > 1:  # the question above says more than its number where it names a recording
        asked = itertools.zip_longest(header, rows[first - 2][: len(header)], fillvalue="")
        header = [question if _RECORDING.search(question) else name for name, question in asked]
    names, rows, line_numbers = column_names(header), rows[first:], line_numbers[first:]
    padding = [""] * len(header)
    # Most rows are complete, and are not copied.
    complete = [row if len(row) == len(header) else [*row, *padding[len(row) :]] for row in rows]
    frame = pl.DataFrame(
        {
            name: pl.Series([row[place] for row in complete], dtype=pl.String)
            for place, name in enumerate(names)
        }
    )
    texts = pl.all().str.strip_chars()
    frame = frame.select(pl.when(texts != "").then(texts).name.keep())
    has_text = pl.any_horizontal(pl.all().is_not_null())
    if sum(map(bool, header)) > 1:  # a header that is repeated for print, or between pasted tables
        is_header = pl.all_horizontal(
            pl.col(name).eq_missing(text or None) for name, text in zip(names, header, strict=True)
        )
        has_text &= ~is_header
    return frame.with_columns(pl.Series(LINE, line_numbers, dtype=pl.Int64)).filter(
        frame.select(has_text).to_series()
    )


def header_row(rows: Sequence[Sequence[str]], required: Sequence[str]) -> tuple[int, int]:
    """Find the header among the first rows of a sheet: the one that resembles the required columns most.

    Args:
        rows: Fields without surrounding blanks.
        required: Columns that must be there.

    Returns:
        The header's index and how similar it is; of equally similar rows the first.
    """
    scores = [
        (_resemblance(row, required), -number, sum(map(bool, row)))
        for number, row in enumerate(_possible_headers(rows[:_HEADER_ROWS]))
        if any(row)
    ]
    if not scores:
        return 0, 0  # no row has text
    score, number, _ = max(scores)
    return -number, score


def _possible_headers(rows: Sequence[Row]) -> list[Row]:
    """The first rows but for those that describe the columns to a program, and the questions directly above them."""
    described = next((number for number, row in enumerate(rows) if any(map(_IMPORT_ID.match, row))), None)
    return list(rows if described is None else rows[: max(1, described - 1)])


def _resemblance(names: Sequence[str], required: Sequence[str]) -> int:
    """Score a row as a header: two points per required column, one per column with a similar name."""
    # Paths of recordings are values, even where a word in them is one for a column.
    free = [name for name in names if not _RECORDING.search(name)]
    distinct, held = dict.fromkeys(required), set(names)
    missing = [name for name in distinct if name not in held][:MOST_SUGGESTIONS]
    # One cell with words for several columns is a sentence.
    found = set(suggest_columns(missing, free).values())
    return 2 * sum(name in held for name in distinct) + len(found)


def _decimal_points(column: pl.Series, separator: str) -> pl.Series:
    """Turn decimal commas into points; between commas, a column that may have thousands commas stays as it is."""
    with_comma = column.drop_nulls().filter(column.drop_nulls().str.contains(",", literal=True))
    may_be_thousands = separator == "," and with_comma.str.contains(_THOUSANDS_COMMA).all()
    return column if may_be_thousands else column.str.replace(_DECIMAL_COMMA, "${1}.${2}")
