"""Parquet files that others may have written: their size once opened is known before, and damage is one kind of error.

A Parquet file of 0.85 MB can open to 8 GB, and one of 0.6 MB can hold 12 million rows, which take minutes: a column of
equal values takes a few bytes. The number of values in each column is in the file's footer, and decides here, before
anything is read.

polars ends the process where the header of a damaged page asks for more memory than there is. Arrow checks such headers,
so it reads files first (65 ns for each row of a table of votes).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import TypeAdapter

from ambivox.models.errors import UserError, first_line
from ambivox.models.json_documents import parse_json_document
from ambivox.models.regular_files import check_fetched, check_regular

if TYPE_CHECKING:
    import pyarrow.parquet as pq

LABELS_KEY = "ambivox.labels"
# Tables of millions of votes open to some 50 times the size of their file.
MOST_OPENED_BYTES = 2 << 30
MOST_TIMES_LARGER = 500
# A vote takes some bits at least, where it is one of several labels: real tables hold fewer than 3 rows per byte.
MOST_ROWS_PER_BYTE = 10
_ROWS_READ_ANYWAY = 1_000_000
# A number takes 8 bytes, a text 16 and its content, which is stored once per file where it is repeated.
_BYTES_PER_VALUE = 16
_ROWS_CHECKED_AT_A_TIME = 65_536
_LABELS = TypeAdapter(list[str])


def read_parquet(
    source: Path | bytes, expected: str, *, origin: str = "", columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Read a whole file.

    Args:
        source: The file, or its content.
        expected: What it should be, for messages, such as "a table of votes".
        origin: Where the content comes from, for messages; by default the file.
        columns: The columns to read; by default all.

    Returns:
        Its rows.

    Raises:
        UserError: There is no such file, it is damaged, lacks a column, or opens to more than MOST_OPENED_BYTES and
            MOST_TIMES_LARGER times its size, to millions of rows and MOST_ROWS_PER_BYTE, or to more memory than this
            machine has.
        MemoryError: The system gives the process no further thread.
    """
    origin = origin or str(source)
    check_opened_size(source, expected, origin=origin, is_read_whole=True)
    check_pages(source, expected, origin=origin, columns=columns)
    with reading(origin, expected):
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        return pl.read_parquet(stream, columns=None if columns is None else list(columns))


def check_opened_size(
    source: Path | bytes, expected: str, *, origin: str = "", is_read_whole: bool = False
) -> None:
    """Check, from the footer alone, that a file does not open to far more than its size.

    Args:
        source: The file, or its content.
        expected: See ``read_parquet``.
        origin: See ``read_parquet``.
        is_read_whole: Whether all of it is to be in memory at a time, so that memory is a limit, too.

    Raises:
        UserError: See ``read_parquet``; or the footer contradicts itself.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    origin = origin or str(source)
    if isinstance(source, Path):
        check_regular(source, expected)
    with reading(origin, expected):
        try:
            size = len(source) if isinstance(source, bytes) else source.stat().st_size
            footer = pq.read_metadata(pa.BufferReader(source) if isinstance(source, bytes) else source)
            opened, rows = opened_bytes(footer), most_values(footer)
            _check_types(footer, origin, expected)
        except pa.ArrowException as error:
            if isinstance(source, Path):
                check_fetched(source)
            raise _unreadable(origin, expected, error) from error
    if opened > MOST_OPENED_BYTES and opened > MOST_TIMES_LARGER * size:
        raise UserError(
            f"{origin}: opens to about {opened / 2**30:,.0f} GiB, {opened // size:,} times its size; expected {expected} of at "
            f"most {MOST_TIMES_LARGER} times; it is damaged or was made to fill memory"
        )
    if rows > _ROWS_READ_ANYWAY and rows > MOST_ROWS_PER_BYTE * size:
        raise UserError(
            f"{origin}: {rows:,} rows in {size:,} bytes; expected {expected} of at most {MOST_ROWS_PER_BYTE} rows per byte: "
            "such rows are all alike; keep one of them"
        )
    if is_read_whole and opened > (memory := os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")):
        raise UserError(
            f"{origin}: needs about {opened / 2**30:,.0f} GiB of memory, this machine has {memory / 2**30:,.0f}; split the "
            "table, or use a larger machine"
        )


def check_pages(
    source: Path | bytes, expected: str, *, origin: str = "", columns: Sequence[str] | None = None
) -> None:
    """Check that all pages of a file can be read, some rows at a time.

    Args:
        source: The file, or its content.
        expected: See ``read_parquet``.
        origin: See ``read_parquet``.
        columns: The columns to check; by default all. Those that the file lacks are left out.

    Raises:
        UserError: A page is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    origin = origin or str(source)
    if isinstance(source, Path):
        check_regular(source, expected)
    with reading(origin, expected):
        try:
            with pq.ParquetFile(pa.BufferReader(source) if isinstance(source, bytes) else source) as file:
                # Rows alone are counted where no column is given.
                present = [name for name in columns or () if name in file.schema_arrow.names]
                batches = file.iter_batches(
                    _ROWS_CHECKED_AT_A_TIME, columns=None if columns is None else present, use_threads=False
                )
                for _ in batches:
                    pass
        except pa.ArrowNotImplementedError:
            return  # polars reads types that Arrow does not
        except pa.ArrowException as error:
            raise _unreadable(origin, expected, error) from error


def _check_types(footer: pq.FileMetaData, origin: str, expected: str) -> None:
    """Check that the parts of a column have its type: Arrow ends the process where they do not."""
    for group in range(footer.num_row_groups):
        for column in range(footer.num_columns):
            part, whole = footer.row_group(group).column(column), footer.schema.column(column)
            if (part.physical_type, part.path_in_schema) != (whole.physical_type, whole.path):
                reason = f"column {whole.path!r} is {whole.physical_type}, a part of it {part.physical_type}"
                raise _unreadable(origin, expected, ValueError(reason))


def opened_bytes(footer: pq.FileMetaData) -> int:
    """About how much memory a file takes once it is read, from its footer.

    Args:
        footer: What ``pyarrow.parquet.read_metadata`` returns.

    Returns:
        Bytes; too many rather than too few.
    """
    columns = (
        footer.row_group(group).column(column)
        for group in range(footer.num_row_groups)
        for column in range(footer.num_columns)
    )
    return sum(_BYTES_PER_VALUE * column.num_values + column.total_uncompressed_size for column in columns)


def most_values(footer: pq.FileMetaData) -> int:
    """The number of values in the longest column: of rows, or of what lists in the rows hold.

    Args:
        footer: What ``pyarrow.parquet.read_metadata`` returns.

    Returns:
        The number.
    """
    groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
    return max(
        (sum(group.column(column).num_values for group in groups) for column in range(footer.num_columns)),
        default=0,
    )


@contextmanager
def reading(origin: str, expected: str) -> Iterator[None]:
    """Make a UserError of what polars raises in the block about a damaged file.

    Args:
        origin: The file.
        expected: What it should be.
    """
    try:
        yield
    except UserError:
        raise
    except (pl.exceptions.PolarsError, OSError, ValueError, OverflowError, MemoryError) as error:
        if "Failed to launch worker thread" in str(error):
            raise MemoryError(str(error)) from error
        raise _unreadable(origin, expected, error) from error
    except (
        pl.exceptions.PanicException
    ) as error:  # no Exception: a fault of polars that a damaged file brought about
        raise _unreadable(origin, expected, error) from None


def stored_labels(metadata: dict[str, str], origin: str, expected: str) -> tuple[str, ...]:
    """The label set in a file's metadata.

    Args:
        metadata: What ``polars.read_parquet_metadata`` returns.
        origin: The file.
        expected: What it should be.

    Raises:
        UserError: There is none, or it is no list of texts.
    """
    if LABELS_KEY not in metadata:
        raise UserError(
            f"{origin}: a Parquet file, but not one of Ambivox: its metadata has no {LABELS_KEY}; expected {expected}"
        )
    content = metadata[LABELS_KEY].encode("utf-8", "replace")
    labels: list[str] = parse_json_document(
        content, _LABELS, "a list of labels in the file's metadata", origin
    )
    return tuple(labels)


def _unreadable(origin: str, expected: str, error: BaseException) -> UserError:
    reason = first_line(error)
    return UserError(f"{origin}: not a readable Parquet file ({reason}); expected {expected}")
