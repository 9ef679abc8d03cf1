"""Parquet: Ambivox's own tables, each with its label set in the file's metadata."""

from __future__ import annotations

from pathlib import Path

from ambivox.models.exchange import Bundle
from ambivox.models.tables import Distributions, Utterances, Votes


def write(bundle: Bundle, folder: Path) -> None:
    """Write utterances.parquet, votes.parquet and, where there are any, distributions.parquet."""
    bundle.utterances.write(folder / "utterances.parquet")
    bundle.votes.write(folder / "votes.parquet")
    if bundle.distributions is not None:
        bundle.distributions.write(folder / "distributions.parquet")


def read(folder: Path) -> Bundle:
    """Read what ``write`` wrote.

    Raises:
        UserError: a file is missing or damaged.
    """
    path = folder / "distributions.parquet"
    distributions = Distributions.read(path) if path.exists() else None
    return Bundle.of(
        Utterances.read(folder / "utterances.parquet"), Votes.read(folder / "votes.parquet"), distributions
    )
