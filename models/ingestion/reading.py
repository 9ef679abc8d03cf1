"""Reading label files and transcripts as they turn up: other encodings, Windows line ends, rows cut short.

Text is UTF-8 (with or without a mark at its start); what is not is read as Windows-1252, the superset of
latin-1 that old corpora and spreadsheets use, and the caller is told.
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
    """The text, and whether it was UTF-8. Line ends become ``\\n``."""
    try:
        text, is_utf8 = content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        # Five bytes mean nothing in Windows-1252; latin-1 has a (control) character for each.
        try:
            text, is_utf8 = content.decode("cp1252"), False
        except UnicodeDecodeError:
            text, is_utf8 = content.decode("latin-1"), False
    return text.replace("\r\n", "\n").replace("\r", "\n"), is_utf8


def read_text(path: Path | str) -> tuple[str, bool]:
    """As ``decode_text``, from a file.

    Raises:
        UserError: it is not there or cannot be opened.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - half the time of Path, over as many transcripts
            return decode_text(file.read())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def read_csv(path: Path, required: Sequence[str], separator: str = ",") -> pl.DataFrame:
    """A CSV file with a header, every column as text, surrounding blanks removed, empty fields null.

    Returns:
        The columns of the file and ``line``, the line a row is on. A row that ends too early has nulls.

    Raises:
        UserError: no such file, no header, a column of ``required`` is missing, or a row has too many fields.
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
        raise _with_line(path, text, separator, error) from error
    missing = [column for column in required if column not in frame.columns]
    if missing:
        found = [column for column in frame.columns if column != "line"]
        raise UserError(f"{path}: columns {missing} are missing, found {found}")
    stripped = pl.col(pl.String).str.strip_chars()
    return frame.with_columns(
        pl.col("line").cast(pl.Int64), pl.when(stripped != "").then(stripped).name.keep()
    )


def read_table(path: Path, required: Sequence[str]) -> pl.DataFrame:
    """A table of rows in CSV, TSV, JSONL (NDJSON) or Parquet, with ``line``, the line (in Parquet the row).

    In CSV and TSV all columns are text; elsewhere they have the types of the file.

    Raises:
        UserError: no such file, an unknown suffix, a column of ``required`` is missing, or the file is
            damaged.
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
            raise _with_json_line(path, text, error) from error
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


def _with_json_line(path: Path, text: str, error: Exception) -> UserError:
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip() and not isinstance(json.loads(line), dict):
                return UserError(f"{path}:{number}: expected a JSON object on every line")
        except json.JSONDecodeError as found:
            return UserError(f"{path}:{number}: not readable as JSON, perhaps cut short: {found.msg}")
    return UserError(f"{path}: not a readable JSONL file: {str(error).splitlines()[0]}")


def _with_line(path: Path, text: str, separator: str, error: Exception) -> UserError:
    """Find the row that a CSV reader stumbled over; only ever called when there is one."""
    try:
        rows = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        header = next(rows)
        for row in rows:
            if len(row) > len(header):
                return UserError(
                    f"{path}:{rows.line_num}: {len(row)} fields, but the header has {len(header)}"
                )
    except csv.Error as found:
        return UserError(f"{path}:{rows.line_num}: {found}")
    return UserError(f"{path}: not a readable CSV file: {str(error).splitlines()[0]}")
