"""Reading label files and transcripts in other encodings, with Windows line ends, or with truncated rows.

Text is UTF-8, with or without a byte order mark. Other text is read as Windows-1252, the superset of Latin-1 that old
corpora and spreadsheets use, and the caller is told.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError


def decode_text(content: bytes) -> tuple[str, bool]:
    """Decode text; line ends become single line feeds.

    Args:
        content: The bytes of a file.

    Returns:
        The text, and whether it was UTF-8.

    Example:
        >>> decode_text("naïve".encode("cp1252"))
        ('naïve', False)
    """
    try:
        text, is_utf8 = content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        # Five bytes are undefined in Windows-1252; in Latin-1 they are control characters.
        try:
            text, is_utf8 = content.decode("cp1252"), False
        except UnicodeDecodeError:
            text, is_utf8 = content.decode("latin-1"), False
    return text.replace("\r\n", "\n").replace("\r", "\n"), is_utf8


def read_text(path: Path | str) -> tuple[str, bool]:
    """Read a text file, as in ``decode_text``.

    Args:
        path: The file.

    Returns:
        The text, and whether it was UTF-8.

    Raises:
        UserError: The file does not exist or cannot be opened.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - twice as fast as Path, which counts over 100,000 transcripts
            return decode_text(file.read())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def read_csv(path: Path, required: Sequence[str], separator: str = ",") -> pl.DataFrame:
    """Read a CSV file with a header: every column as text, surrounding blanks removed, empty fields null.

    Args:
        path: The file.
        required: Columns that must be there.
        separator: The character between fields.

    Returns:
        The columns of the file, and ``line``, each row's line number. A row with too few fields is filled with nulls.

    Raises:
        UserError: There is no such file or no header, a required column is missing, or a row has too many fields.
    """
    text, _ = read_text(path)
    if not text.strip():
        raise UserError(f"{path}: the file is empty; expected a header with {', '.join(required)}")
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()),
            separator=separator,
            infer_schema=False,
            row_index_name="line",
            row_index_offset=2,
        )
    except pl.exceptions.PolarsError as error:
        raise _csv_error(path, text, separator, error) from error
    missing = [column for column in required if column not in frame.columns]
    if missing:
        columns = [column for column in frame.columns if column != "line"]
        raise UserError(f"{path}: columns {missing} are missing, found {columns}")
    stripped = pl.col(pl.String).str.strip_chars()
    return frame.with_columns(
        pl.col("line").cast(pl.Int64), pl.when(stripped != "").then(stripped).name.keep()
    )


def read_table(path: Path, required: Sequence[str]) -> pl.DataFrame:
    """Read a table in CSV, TSV, JSONL (NDJSON) or Parquet.

    Args:
        path: The file; its suffix decides the format.
        required: Columns that must be there.

    Returns:
        The columns of the file, and ``line``, each row's line number (in Parquet the row number). In CSV and TSV all
        columns are text; in the other formats they have the types of the file.

    Raises:
        UserError: There is no such file, the suffix is unknown, a required column is missing, or the file is damaged.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if suffix in (".csv", ".tsv"):
        return read_csv(path, required, "\t" if suffix == ".tsv" else ",")
    if suffix in (".jsonl", ".ndjson"):
        text, _ = read_text(path)
        try:
            frame = pl.read_ndjson(io.BytesIO(text.encode()), infer_schema_length=None)
        except pl.exceptions.PolarsError as error:
            raise _jsonl_error(path, text, error) from error
    elif suffix == ".parquet":
        try:
            frame = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(f"{path}: not a readable Parquet file ({error})") from error
    else:
        raise UserError(
            f"{path}: unknown kind of table {suffix!r}; known: .csv, .tsv, .jsonl, .ndjson, .parquet"
        )
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise UserError(f"{path}: columns {missing} are missing, found {frame.columns}")
    return (
        frame.drop("line", strict=False).with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int64))
    )


def _jsonl_error(path: Path, text: str, error: Exception) -> UserError:
    """Find the line that the JSONL reader failed at; called only when it failed."""
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip() and not isinstance(json.loads(line), dict):
                return UserError(f"{path}:{number}: expected a JSON object on every line")
        except json.JSONDecodeError as syntax_error:
            return UserError(f"{path}:{number}: not readable as JSON, perhaps cut short: {syntax_error.msg}")
    return UserError(f"{path}: not a readable JSONL file: {str(error).splitlines()[0]}")


def _csv_error(path: Path, text: str, separator: str, error: Exception) -> UserError:
    """Find the row that the CSV reader failed at; called only when it failed."""
    try:
        rows = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        header = next(rows)
        for row in rows:
            if len(row) > len(header):
                return UserError(
                    f"{path}:{rows.line_num}: {len(row)} fields, but the header has {len(header)}"
                )
    except csv.Error as syntax_error:
        return UserError(f"{path}:{rows.line_num}: {syntax_error}")
    return UserError(f"{path}: not a readable CSV file: {str(error).splitlines()[0]}")
