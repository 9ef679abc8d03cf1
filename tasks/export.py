"""export: utterances, votes and distributions, for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def export(
    *,
    utterances: Path,
    votes: Path,
    out: Path,
    format: Literal["csv", "parquet", "huggingface", "audformat", "label_studio"] = "csv",  # noqa: A002 - the flag's name
    distributions: Path | None = None,
    split: tuple[str, ...] = (),
) -> Path:
    """Write the tables of a corpus in another tool's format.

    All but label_studio are read back exactly by import-votes. For label_studio, the distributions become
    predictions that raters see before they choose, which pulls them towards it: leave them out for
    independent votes.

    Args:
        utterances: utterances.parquet.
        votes: votes.parquet; votes about other utterances are left out and counted.
        out: The folder to write.
        format: csv; parquet; huggingface (for datasets.load_dataset); audformat (with raters); label_studio
            (config.xml and tasks.json).
        distributions: A table of distributions to go with them.
        split: Only these splits; all by default.

    Raises:
        UserError: a table cannot be read, or the format cannot hold it.
    """
    import importlib

    import polars as pl

    from ambivox.models.exchange import LinkedTables
    from ambivox.models.files import atomic_folder
    from ambivox.models.tables import SPLITS, Distributions, Utterances, Votes

    listed = Utterances.read(utterances).in_splits(*(split or SPLITS))
    about = pl.col("utterance_id").is_in(listed.frame["utterance_id"].implode())
    given = Votes.read(votes)
    kept = Votes(given.frame.filter(about), given.labels)
    made = None
    if distributions is not None:
        whole = Distributions.read(distributions)
        made = Distributions(whole.frame.filter(about), whole.labels)
    bundle = LinkedTables.of(listed, kept, made)
    with atomic_folder(out) as folder:
        importlib.import_module(f"ambivox.models.exchange.{format}").write(bundle, folder)
    left_out = len(given) - len(kept)
    print(
        f"{len(listed):,} utterances, {len(kept):,} votes, {len(made) if made else 0:,} distributions as {format}"
    )
    if left_out:
        print(f"{left_out:,} votes about other utterances are left out")
    print(f"export: {out}")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(export)
