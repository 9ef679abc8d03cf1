"""CSV: one file per table, and labels.json with the label set in order.

Numbers keep all digits. An empty text is written as ``""``, a null as nothing. Where cells must not begin formulas in a
spreadsheet program, they get an apostrophe, and export.json says so; reading takes it away.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TypeVar

import polars as pl
from pydantic import BaseModel, TypeAdapter

from ambivox.models.errors import UserError, first_line
from ambivox.models.exchange import LinkedTables
from ambivox.models.files import atomic_path, write_json
from ambivox.models.json_documents import read_json_document
from ambivox.models.regular_files import read_text
from ambivox.models.spreadsheet_cells import original_name, with_formulas, without_formulas
from ambivox.models.tables import Distributions, Ratings, Table, Utterances, Votes

SomeTable = TypeVar("SomeTable", bound=Table)

_LABELS = TypeAdapter(list[str])
_SETTINGS = "export.json"


class _Settings(BaseModel):
    """How the files were written.

    Attributes:
        spreadsheet_safe: Cells that begin formulas have an apostrophe before them.
    """

    spreadsheet_safe: bool = False


def write(tables: LinkedTables, folder: Path, *, spreadsheet_safe: bool = False) -> None:
    """Write utterances.csv, votes.csv, labels.json and, where there are any, distributions.csv and ratings.csv.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
        spreadsheet_safe: Put an apostrophe before cells that begin formulas.
    """
    write_json(folder / "labels.json", list(tables.labels))
    if spreadsheet_safe:
        write_json(folder / _SETTINGS, _Settings(spreadsheet_safe=True).model_dump())
    for table in (tables.utterances, tables.votes, tables.distributions, tables.ratings):
        if table is not None:
            frame = without_formulas(table.frame) if spreadsheet_safe else table.frame
            with atomic_path(folder / f"{table.name}.csv") as temporary:
                frame.write_csv(temporary)


def read(folder: Path) -> LinkedTables:
    """Read what ``write`` wrote.

    Args:
        folder: The folder that was written.

    Returns:
        The tables.

    Raises:
        UserError: A file is missing or damaged.
    """
    listed: list[str] = read_json_document(folder / "labels.json", _LABELS, "a list of labels")
    labels = tuple(listed)
    path = folder / _SETTINGS
    settings = (
        read_json_document(path, TypeAdapter(_Settings), "settings of an export")
        if path.exists()
        else _Settings()
    )
    has_distributions, has_ratings = (
        (folder / f"{name}.csv").exists() for name in ("distributions", "ratings")
    )
    return LinkedTables.of(
        _read(folder, Utterances, labels, settings),
        _read(folder, Votes, labels, settings),
        _read(folder, Distributions, labels, settings) if has_distributions else None,
        _read(folder, Ratings, labels, settings) if has_ratings else None,
    )


def _read(folder: Path, table: type[SomeTable], labels: tuple[str, ...], settings: _Settings) -> SomeTable:
    path = folder / f"{table.name}.csv"
    columns = table.required | table.optional
    if table is Distributions:
        columns = columns | dict.fromkeys(labels, pl.Float64)
    try:
        stream = io.StringIO(read_text(path, f"a table of {table.name}"), newline="")
        header = next(csv.reader(stream), [])  # polars does not remove quotes from a header
        if settings.spreadsheet_safe:
            header = [original_name(column) for column in header]
        header = [table.renamed.get(column, column) for column in header]
        if header != list(columns):
            raise UserError(f"{path}: expected the columns {list(columns)}, found {header}")
        body = stream.read().encode()
        frame = (
            pl.read_csv(io.BytesIO(body), has_header=False, schema=columns)
            if body
            else pl.DataFrame(schema=columns)
        )
    except (csv.Error, pl.exceptions.PolarsError) as error:
        raise UserError(f"{path}: not a readable table of {table.name}: {first_line(error)}") from error
    return table.check(with_formulas(frame) if settings.spreadsheet_safe else frame, labels, origin=str(path))
