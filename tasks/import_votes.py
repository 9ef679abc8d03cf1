"""import_votes: human votes that were collected or kept in another tool come back as a table."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImportVotesOptions:
    """Options of the step ``import-votes``.

    Attributes:
        format: label_studio, csv, parquet, huggingface or audformat.
    """

    format: Literal["csv", "parquet", "huggingface", "audformat", "label_studio"] = "label_studio"


def import_votes(
    *, source: Path, utterances: Path, out: Path, votes: Path | None = None, options: ImportVotesOptions
) -> Path:
    """Read votes from another tool's format: a Label Studio export, or what export wrote.

    Writes a folder with votes.parquet and rejects.parquet: annotations that were skipped, have no label or an
    unknown one, or are about an unknown utterance.

    Args:
        source: Label Studio's JSON or JSON-MIN export; for other formats the folder that export wrote.
        utterances: utterances.parquet; its labels are the ones allowed.
        out: The folder to write.
        votes: Votes to add these to. Where an annotator has voted on an utterance before, the new vote counts.
        options: See ImportVotesOptions.

    Returns:
        The folder.

    Raises:
        UserError: The source cannot be read or has other labels.
    """
    import importlib

    from ambivox.models.files import atomic_folder, check_output_folder
    from ambivox.models.ingestion.corpus import no_rejects
    from ambivox.models.ingestion.merging import add_votes
    from ambivox.models.tables import Utterances, Votes

    inputs = (source, utterances, votes)
    check_output_folder(out, inputs)
    listed = Utterances.read(utterances)
    module = importlib.import_module(f"ambivox.models.exchange.{options.format}")
    if options.format == "label_studio":
        found, rejects = module.read_votes(source, listed)
    else:
        found, rejects = module.read(source).votes, no_rejects()
    whole, replaced = add_votes(Votes.read(votes) if votes else None, found, listed)
    with atomic_folder(out, inputs) as folder:
        whole.write(folder / "votes.parquet")
        rejects.write_parquet(folder / "rejects.parquet", compression="zstd")
    _logger.info(f"{len(found):,} votes read, {replaced:,} replace earlier ones, {rejects.height:,} rejected")
    for reason, count in rejects["reason"].value_counts().sort("reason").iter_rows():
        _logger.info(f"  {reason}: {count:,}")
    _logger.info(f"import_votes: {out}")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(import_votes)
