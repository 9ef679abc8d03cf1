"""Reading label files and transcripts in other encodings, with Windows line ends, or with truncated rows.

Text is UTF-8, with or without a byte order mark, or UTF-16 with one. Other text is read as Windows-1252, the superset of
Latin-1 that old corpora and spreadsheets use, and the caller is told.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from ambivox.models.column_patterns import column_names
from ambivox.models.errors import UserError, first_line
from ambivox.models.ingestion.class_labels import name_class_labels
from ambivox.models.ingestion.columns import require_columns
from ambivox.models.ingestion.delimited import LINE, find_layout, parse_delimited
from ambivox.models.ingestion.nested import with_descriptions
from ambivox.models.ingestion.segment_times import clock_times
from ambivox.models.ingestion.workbooks import READABLE, UNREADABLE, read_sheet
from ambivox.models.json_documents import parse_json_document
from ambivox.models.parquet_files import read_parquet
from ambivox.models.regular_files import NotFetchedError, check_fetched, check_regular, is_lfs_pointer

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt", *READABLE)
# In Windows-1252, letters of other scripts look like control characters, or like words of accented letters alone.
_FOREIGN = re.compile(r"[\x80-\x9f]|[\xa0-\xff\u0192\u2000-\u2122]{4}")
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
_WORKBOOK_CONTENT = ("PK\x03\x04", "ÐÏ\x11à")  # a zip archive, and the container of old Excel files


def decode_text(content: bytes) -> tuple[str, bool]:
    """Decode text; line ends become single line feeds.

    Args:
        content: The bytes of a file.

    Returns:
        The text, and whether it was Unicode (UTF-8 or UTF-16).

    Example:
        >>> decode_text("naïve".encode("cp1252"))
        ('naïve', False)
    """
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text, is_unicode = content.decode("utf-16", errors="replace"), True
        else:
            text, is_unicode = content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        # Five bytes are undefined in Windows-1252; in Latin-1 they are control characters.
        try:
            text, is_unicode = content.decode("cp1252"), False
        except UnicodeDecodeError:
            text, is_unicode = content.decode("latin-1"), False
    return text.replace("\r\n", "\n").replace("\r", "\n"), is_unicode


def read_text(path: Path | str) -> tuple[str, bool]:
    """Read a text file, as in ``decode_text``.

    Args:
        path: The file.

    Returns:
        The text, and whether it was Unicode (UTF-8 or UTF-16).

    Raises:
        UserError: The file does not exist, cannot be opened, is a pipe or device, or is a pointer of git-lfs.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - see below
            check_regular(Path(path), "text")
        with open(path, "rb") as file:  # noqa: PTH123 - twice as fast as Path, which counts over 100,000 transcripts
            content = file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if is_lfs_pointer(content):
        raise NotFetchedError(path)
    return decode_text(content)


def read_csv(path: Path, required: Sequence[str]) -> pl.DataFrame:
    """Read delimited text with a header: every column as text, surrounding blanks removed, empty fields null.

    The separator and the header's row are found as in ``find_layout``.

    Args:
        path: The file.
        required: Columns that must be there.

    Returns:
        The columns of the file, and ``line``, each row's line number. A row with too few fields is filled with nulls.

    Raises:
        UserError: There is no such file or no header, a required column is missing, or a row has too many fields.
    """
    frame = _read_delimited(path, required)
    return frame.drop("line", strict=False).rename({LINE: "line"})


def read_table(
    path: Path,
    required: Sequence[str],
    *,
    numbers: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
    sheet: str | None = None,
    resembling: Sequence[str] = (),
) -> pl.DataFrame:
    """Read a table in delimited text (CSV, TSV), JSONL (NDJSON), JSON, Parquet or a workbook.

    Args:
        path: The file; its suffix decides the format.
        required: Columns that must be there.
        numbers: Columns of numbers; in delimited text they may have decimal commas.
        options: Per required column, the name of the option that maps it, for messages.
        sheet: The sheet of a workbook; by default the one whose header resembles the required columns most.
        resembling: Columns that the header probably has, where more is known than ``required``.

    Returns:
        The columns of the file, and LINE, each row's line number (in Parquet the row number). In delimited text and
        workbooks all columns are text; in the other formats they have the types of the file, classes that a Parquet
        file of Hugging Face datasets numbers have their names, and the values of a dictionary called ``meta`` have columns.

    Raises:
        UserError: There is no such file, the suffix is unknown, a required column is missing, or the file is damaged.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if suffix in UNREADABLE:
        check_fetched(path)
        raise workbook_error(path)
    if suffix in READABLE:
        frame = read_sheet(path, [*required, *resembling], sheet)
        require_columns(path, required, [name for name in frame.columns if name != LINE], options)
        return frame
    if suffix in (".csv", ".tsv", ".txt"):
        return _read_delimited(path, required, numbers, options, resembling)
    if suffix in (".jsonl", ".ndjson"):
        text, _ = read_text(path)
        try:
            frame = pl.read_ndjson(io.BytesIO(text.encode()), infer_schema_length=None)
        except (pl.exceptions.PolarsError, OverflowError) as error:
            raise _jsonl_error(path, text, error) from error
    elif suffix == ".json":
        frame = _read_json(path)
    elif suffix == ".parquet":
        frame = read_parquet(path, "a table")
    else:
        raise UserError(f"{path}: unknown kind of table {suffix!r}; known: {', '.join(SUFFIXES)}")
    frame.columns = column_names(frame.columns)
    if suffix == ".parquet":
        frame = name_class_labels(path, frame)
    # A categorical column of pandas or polars is text.
    categories = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Categorical | pl.Enum)]
    frame = frame.drop(LINE, strict=False).with_columns(pl.col(categories).cast(pl.String))
    frame = with_descriptions(frame)
    durations = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Duration)]
    frame = frame.with_columns(clock_times(frame[name]) for name in durations)
    require_columns(path, required, frame.columns, options)
    return frame.with_row_index(LINE, 1).with_columns(pl.col(LINE).cast(pl.Int64))


def workbook_error(path: Path) -> UserError:
    """Make the error for a spreadsheet program's own file format that is not read.

    Args:
        path: The workbook.

    Returns:
        The error, which says what to do.
    """
    return UserError(
        f"{path}: a spreadsheet workbook, which cannot be read; in the spreadsheet program, save each sheet as CSV "
        "(in Excel: CSV UTF-8)"
    )


def _read_json(path: Path) -> pl.DataFrame:
    """Read a JSON file: a list of objects, an object with one such list, or objects by their ids."""
    text, _ = read_text(path)
    content = parse_json_document(
        text.encode("utf-8", "replace"), _ANYTHING, "a list of JSON objects, one per row", str(path)
    )
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        if len(lists) == 1:
            content = lists[0]
        elif len(content) > 1 and all(isinstance(value, dict) for value in content.values()):
            content = [{"id": name} | value for name, value in content.items()]
    if not isinstance(content, list) or not content or not all(isinstance(row, dict) for row in content):
        raise UserError(f"{path}: expected a list of JSON objects, one per row")
    try:
        return pl.DataFrame(content, infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: its objects have no common columns ({first_line(error)})") from error


def _read_delimited(
    path: Path,
    required: Sequence[str],
    numbers: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
    resembling: Sequence[str] = (),
) -> pl.DataFrame:
    """Read delimited text of any encoding and separator."""
    text, is_unicode = read_text(path)
    if text.startswith(_WORKBOOK_CONTENT):
        raise workbook_error(path)
    if not is_unicode and (foreign := _FOREIGN.search(text)):
        line = text.count("\n", 0, foreign.start()) + 1
        raise UserError(
            f"{path}:{line}: text in an encoding that is neither UTF-8 nor Windows-1252; save the table as UTF-8 (in "
            "Excel: CSV UTF-8)"
        )
    if not text.strip():
        raise UserError(f"{path}: the file is empty; expected a header with {', '.join(required)}")
    frame = parse_delimited(path, text, find_layout(text, [*required, *resembling]), numbers)
    require_columns(path, required, [name for name in frame.columns if name != LINE], options)
    return frame


def _jsonl_error(path: Path, text: str, error: Exception) -> UserError:
    """Find the line that the JSONL reader failed at; called only when it failed."""
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip() and not isinstance(json.loads(line), dict):
                return UserError(f"{path}:{number}: expected a JSON object on every line")
        except json.JSONDecodeError as syntax_error:
            return UserError(f"{path}:{number}: not readable as JSON, perhaps cut short: {syntax_error.msg}")
        except (ValueError, RecursionError):
            return UserError(f"{path}:{number}: JSON with a number or nesting that is too large")
    return UserError(f"{path}: not a readable JSONL file: {first_line(error)}")
