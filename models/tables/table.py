"""What all tables share: a polars frame with its label set, checked columns, and Parquet files that carry the labels.

The label set is ordered and is stored in the metadata of the Parquet file, so every table can be read alone. Tables
are made by ``check`` and ``read``, so a function that takes ``Votes`` never receives an unchecked frame.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path
from ambivox.models.parquet_files import LABELS_KEY, read_parquet, reading, stored_labels
from ambivox.models.tables.label_names import check_label_names

_TABLE_KEY = "ambivox.table"


@dataclass(frozen=True)
class Table:
    """A checked frame and its label set (K labels, K >= 1, in order).

    Attributes:
        frame: The rows.
        labels: The label set.
        name: What the rows are, in error messages and file metadata.
        required: The columns that must be there, without nulls, and their types.
        optional: The columns that are filled with nulls where absent, and their types.
        renamed: Column names of earlier versions and the names that replaced them; reading accepts both.
    """

    frame: pl.DataFrame
    labels: tuple[str, ...]

    name: ClassVar[str] = "table"
    required: ClassVar[dict[str, pl.DataType | type[pl.DataType]]] = {}
    optional: ClassVar[dict[str, pl.DataType | type[pl.DataType]]] = {}
    renamed: ClassVar[dict[str, str]] = {}

    @classmethod
    def check(cls, frame: pl.DataFrame, labels: tuple[str, ...] | list[str], origin: str = "") -> Self:
        """Check columns, types and values; cast without loss; add absent optional columns as nulls.

        Args:
            frame: The rows.
            labels: The label set, in order.
            origin: The file that the rows are from, for error messages.

        Returns:
            The checked table.

        Raises:
            UserError: A column is missing, has the wrong type, or holds values that are not allowed.
        """
        where = f"{origin}: " if origin else ""
        labels = tuple(labels)
        check_label_names(labels, where)
        frame = frame.rename(
            {old: new for old, new in cls.renamed.items() if new not in frame.columns}, strict=False
        )
        missing = [column for column in cls.required if column not in frame.columns]
        if missing:
            raise UserError(
                f"{where}not a table of {cls.name}: columns {missing} are missing from {frame.columns}"
            )
        frame = frame.with_columns(
            pl.lit(None, dtype=dtype).alias(column)
            for column, dtype in cls.optional.items()
            if column not in frame.columns
        )
        dtypes: dict[Any, Any] = cls.required | cls.optional
        try:
            frame = frame.cast(dtypes)
        except pl.exceptions.PolarsError as error:
            raise UserError(f"{where}a column of {cls.name} has the wrong type: {error}") from error
        for column in cls.required:
            if frame[column].null_count():
                raise UserError(
                    f"{where}{column} is missing in {counted(frame[column].null_count(), 'row')} of {cls.name}"
                )
        cls._check_values(frame, labels, where)
        return cls(frame, labels)

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        """Check what a table requires of its values beyond their types."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a Parquet file that ``write`` made.

        Args:
            path: The file.

        Returns:
            The checked table, with the label set of the file.

        Raises:
            UserError: There is no such file, or it holds something else.
        """
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected a table of {cls.name}")
        expected = f"a table of {cls.name}"
        frame = read_parquet(path, expected)
        with reading(str(path), expected):
            labels = stored_labels(pl.read_parquet_metadata(path), str(path), expected)
        return cls.check(frame, labels, origin=str(path))

    def write(self, path: Path) -> Path:
        """Write a Parquet file under a temporary name, then rename it. Equal tables give equal bytes.

        Args:
            path: The file to write; an existing one is replaced.

        Returns:
            ``path``.
        """
        with atomic_path(path) as temporary:
            metadata = {LABELS_KEY: json.dumps(list(self.labels)), _TABLE_KEY: self.name}
            self.frame.write_parquet(temporary, compression="zstd", metadata=metadata)
        return path

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.frame.height


def check_unique(frame: pl.DataFrame, column: str, what: str, where: str) -> None:
    """Check that no value of ``column`` occurs twice.

    Args:
        frame: The rows.
        column: The column to check.
        what: What a value is, for the error message.
        where: The beginning of the error message.

    Raises:
        UserError: A value occurs more than once; the message names the first.
    """
    duplicates = frame.filter(frame[column].is_duplicated())[column]
    if len(duplicates):
        raise UserError(
            f"{where}{what} {duplicates[0]!r} occurs more than once ({counted(len(duplicates), 'row is', 'rows are')} duplicates)"
        )


def check_one_of(frame: pl.DataFrame, column: str, allowed: tuple[str, ...], where: str) -> None:
    """Check that every value of ``column`` is null or one of ``allowed``.

    Args:
        frame: The rows.
        column: The column to check.
        allowed: The values that are allowed.
        where: The beginning of the error message.

    Raises:
        UserError: There is another value; the message names the first.
    """
    unknown = frame.filter(pl.col(column).is_not_null() & ~pl.col(column).is_in(list(allowed)))
    if unknown.height:
        raise UserError(
            f"{where}unknown {column} {unknown[column][0]!r} in {counted(unknown.height, 'row')}; known: {', '.join(allowed)}"
        )
