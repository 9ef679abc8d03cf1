"""Parquet: Ambivox's own tables, each with its label set in the file's metadata."""

from __future__ import annotations

from pathlib import Path

from ambivox.models.exchange import LinkedTables
from ambivox.models.tables import Distributions, Ratings, Utterances, Votes


def write(tables: LinkedTables, folder: Path) -> None:
    """Write utterances.parquet, votes.parquet and, where there are any, distributions.parquet and ratings.parquet.

    Args:
        tables: The tables to write.
        folder: The folder to write to; it must exist.
    """
    tables.utterances.write(folder / "utterances.parquet")
    tables.votes.write(folder / "votes.parquet")
    for table in (tables.distributions, tables.ratings):
        if table is not None:
            table.write(folder / f"{table.name}.parquet")


def read(folder: Path) -> LinkedTables:
    """Read what ``write`` wrote.

    Args:
        folder: The folder that was written.

    Returns:
        The tables.

    Raises:
        UserError: A file is missing or damaged.
    """
    distributions, ratings = folder / "distributions.parquet", folder / "ratings.parquet"
    return LinkedTables.of(
        Utterances.read(folder / "utterances.parquet"),
        Votes.read(folder / "votes.parquet"),
        Distributions.read(distributions) if distributions.exists() else None,
        Ratings.read(ratings) if ratings.exists() else None,
    )
