"""CSV: a file a table, and labels.json for their order. Numbers keep every digit; an empty text is ``""``, none is bare."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TypeVar

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.exchange import Bundle
from ambivox.models.files import atomic_path, write_json
from ambivox.models.tables import Distributions, Table, Utterances, Votes

SomeTable = TypeVar("SomeTable", bound=Table)


def write(bundle: Bundle, folder: Path) -> None:
    """Write utterances.csv, votes.csv, labels.json and, where there are any, distributions.csv."""
    write_json(folder / "labels.json", list(bundle.labels))
    for table in (bundle.utterances, bundle.votes, bundle.distributions):
        if table is not None:
            with atomic_path(folder / f"{table.name}.csv") as temporary:
                table.frame.write_csv(temporary)


def read(folder: Path) -> Bundle:
    """Read what ``write`` wrote.

    Raises:
        UserError: a file is missing or damaged.
    """
    path = folder / "labels.json"
    try:
        labels = tuple(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a list of labels ({error})") from error
    has_distributions = (folder / "distributions.csv").exists()
    return Bundle.of(
        _read(folder, Utterances, labels),
        _read(folder, Votes, labels),
        _read(folder, Distributions, labels) if has_distributions else None,
    )


def _read(folder: Path, kind: type[SomeTable], labels: tuple[str, ...]) -> SomeTable:
    path = folder / f"{kind.name}.csv"
    columns = kind.required | kind.optional
    if kind is Distributions:
        columns = columns | dict.fromkeys(labels, pl.Float64)
    try:
        stream = io.StringIO(path.read_bytes().decode("utf-8"), newline="")
        header = next(csv.reader(stream), [])  # polars does not undo quotes in a header
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
            f"{path}: not a readable table of {kind.name}: {str(error).splitlines()[0]}"
        ) from error
    return kind.check(frame, labels, origin=str(path))
