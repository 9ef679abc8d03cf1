"""import_votes: human votes that were collected or kept in another tool come back as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def import_votes(
    *,
    source: Path,
    utterances: Path,
    out: Path,
    format: Literal["csv", "parquet", "huggingface", "audformat", "label_studio"] = "label_studio",  # noqa: A002 - the flag's name
    votes: Path | None = None,
) -> Path:
    """Read votes from another tool's format: Label Studio's result, or what export wrote.

    Writes a folder with votes.parquet and rejects.parquet: annotations that were skipped, have no label or a
    strange one, or are about an utterance that is not there.

    Args:
        source: Label Studio's JSON or JSON-MIN export; for other formats the folder that export wrote.
        utterances: utterances.parquet; its labels are the ones allowed.
        out: The folder to write.
        format: label_studio, csv, parquet, huggingface or audformat.
        votes: Votes to add these to. Where an annotator has voted on an utterance before, the new vote
            counts.

    Raises:
        UserError: the source cannot be read or has other labels.
    """
    import importlib

    from ambivox.models.files import atomic_folder
    from ambivox.models.ingestion.corpus import no_rejects
    from ambivox.models.ingestion.merging import add_votes
    from ambivox.models.tables import Utterances, Votes

    listed = Utterances.read(utterances)
    module = importlib.import_module(f"ambivox.models.exchange.{format}")
    if format == "label_studio":
        found, rejects = module.read_votes(source, listed)
    else:
        found, rejects = module.read(source).votes, no_rejects()
    whole, replaced = add_votes(Votes.read(votes) if votes else None, found, listed)
    with atomic_folder(out) as folder:
        whole.write(folder / "votes.parquet")
        rejects.write_parquet(folder / "rejects.parquet", compression="zstd")
    print(f"{len(found):,} votes read, {replaced:,} replace earlier ones, {rejects.height:,} rejected")
    for reason, count in rejects["reason"].value_counts().sort("reason").iter_rows():
        print(f"  {reason}: {count:,}")
    print(f"import_votes: {out}")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(import_votes)
