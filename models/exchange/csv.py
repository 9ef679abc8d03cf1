"""CSV: one file per table, and labels.json with the label set in order.

Numbers keep all digits. An empty text is written as ``""``, a null as nothing.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TypeVar

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.exchange import LinkedTables
from ambivox.models.files import atomic_path, write_json
from ambivox.models.tables import Distributions, Ratings, Table, Utterances, Votes

SomeTable = TypeVar("SomeTable", bound=Table)


def write(tables: LinkedTables, folder: Path) -> None:
    """Write utterances.csv, votes.csv, labels.json and, where there are any, distributions.csv and ratings.csv.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
    """
    write_json(folder / "labels.json", list(tables.labels))
    for table in (tables.utterances, tables.votes, tables.distributions, tables.ratings):
        if table is not None:
            with atomic_path(folder / f"{table.name}.csv") as temporary:
                table.frame.write_csv(temporary)


def read(folder: Path) -> LinkedTables:
    """Read what ``write`` wrote.

    Args:
        folder: The folder that was written.

    Returns:
        The tables.

    Raises:
        UserError: A file is missing or damaged.
    """
    path = folder / "labels.json"
    try:
        labels = tuple(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a list of labels ({error})") from error
    has_distributions, has_ratings = (
        (folder / f"{name}.csv").exists() for name in ("distributions", "ratings")
    )
    return LinkedTables.of(
        _read(folder, Utterances, labels),
        _read(folder, Votes, labels),
        _read(folder, Distributions, labels) if has_distributions else None,
        _read(folder, Ratings, labels) if has_ratings else None,
    )


def _read(folder: Path, table: type[SomeTable], labels: tuple[str, ...]) -> SomeTable:
    path = folder / f"{table.name}.csv"
    columns = table.required | table.optional
    if table is Distributions:
        columns = columns | dict.fromkeys(labels, pl.Float64)
    try:
        stream = io.StringIO(path.read_bytes().decode("utf-8"), newline="")
        header = next(csv.reader(stream), [])  # polars does not remove quotes from a header
        header = [table.renamed.get(column, column) for column in header]
        if header != list(columns):
            raise UserError(f"{path}: expected the columns {list(columns)}, found {header}")
        body = stream.read().encode()
        frame = (
            pl.read_csv(io.BytesIO(body), has_header=False, schema=columns)
            if body
            else pl.DataFrame(schema=columns)
        )
    except (OSError, UnicodeDecodeError, csv.Error, pl.exceptions.PolarsError) as error:
        raise UserError(
            f"{path}: not a readable table of {table.name}: {str(error).splitlines()[0]}"
        ) from error
    return table.check(frame, labels, origin=str(path))
