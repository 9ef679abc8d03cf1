"""export: utterances, votes and distributions, for other tools."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ambivox.models.counted import counted

if TYPE_CHECKING:
    from ambivox.models.exchange import LinkedTables

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of the step ``export``.

    Attributes:
        format: A file in models/exchange/: csv; parquet; huggingface (for datasets.load_dataset); audformat (with
            raters); lhotse (recordings and supervisions); or a project for a labelling tool: label_studio, potato,
            argilla.
        splits: Only these splits; all by default.
        audio_url: For labelling tools: what takes the place of the folder that holds all audio, such as
            https://host/audio/ or, for label_studio, s3://bucket/audio/. By default Label Studio and Potato serve local
            files; Argilla needs an address.
        spreadsheet_safe: For csv: put an apostrophe before cells that a spreadsheet program would run as formulas;
            import-votes takes it away again.
    """

    format: str = "csv"
    splits: tuple[str, ...] = ()
    audio_url: str | None = None
    spreadsheet_safe: bool = False


def export(
    *,
    utterances: Path,
    votes: Path,
    out: Path,
    distributions: Path | None = None,
    ratings: Path | None = None,
    options: ExportOptions,
) -> Path:
    """Write the tables of a corpus in another tool's format.

    All formats but those of labelling tools are read back exactly by import-votes. In label_studio and argilla, the
    distributions become suggestions that raters see before they choose, which biases them: leave them out for
    independent votes.

    Args:
        utterances: utterances.parquet.
        votes: votes.parquet; votes about other utterances are left out and counted.
        out: The folder to write.
        distributions: A table of distributions to export with them.
        ratings: ratings.parquet of ingest (arousal, valence and dominance) to export with them; labelling tools take none.
        options: See ExportOptions.

    Returns:
        The folder.

    Raises:
        UserError: A table cannot be read, or the format cannot hold it.
    """
    import polars as pl

    from ambivox.models.exchange import LinkedTables
    from ambivox.models.files import atomic_folder, check_output_folder
    from ambivox.models.tables import SPLITS, Distributions, Ratings, Utterances, Votes

    inputs = (utterances, votes, distributions, ratings)
    check_output_folder(out, inputs)
    exported_utterances = Utterances.read(utterances).in_splits(*(options.splits or SPLITS))
    about = pl.col("utterance_id").is_in(exported_utterances.frame["utterance_id"].implode())
    all_votes = Votes.read(votes)
    exported_votes = Votes(all_votes.frame.filter(about), all_votes.labels)
    exported_distributions = None
    if distributions is not None:
        all_distributions = Distributions.read(distributions)
        exported_distributions = Distributions(
            all_distributions.frame.filter(about), all_distributions.labels
        )
    exported_ratings = None
    if ratings is not None:
        all_ratings = Ratings.read(ratings)
        exported_ratings = Ratings(all_ratings.frame.filter(about), all_ratings.labels)
    bundle = LinkedTables.of(exported_utterances, exported_votes, exported_distributions, exported_ratings)
    with atomic_folder(out, inputs) as folder:
        notes = _write(bundle, folder, options)
    left_out = len(all_votes) - len(exported_votes)
    _logger.info(
        f"{counted(len(exported_utterances), 'utterance')}, {counted(len(exported_votes), 'vote')}, {counted(len(exported_distributions) if exported_distributions else 0, 'distribution')} as {options.format}"
    )
    if exported_ratings is not None:
        _logger.info(f"{counted(len(exported_ratings), 'rating')} of arousal, valence and dominance")
    if left_out:
        _logger.info(f"left out: {counted(left_out, 'vote')} about other utterances")
    for note in notes:
        _logger.info(note.replace(str(folder), str(out)))
    _logger.info(f"export: {out}")
    return out


def _write(bundle: LinkedTables, folder: Path, options: ExportOptions) -> list[str]:
    """Write the tables in the format; returns what the user has to do then."""
    from ambivox.models import exchange
    from ambivox.models.errors import UserError
    from ambivox.models.exchange import csv
    from ambivox.models.registry import find

    if options.spreadsheet_safe and options.format != "csv":
        raise UserError(f"--spreadsheet-safe is for --format csv; found {options.format}")
    module = find(exchange, options.format, "format")
    if exchange.is_labelling_tool(module):
        notes: list[str] = module.write_project(bundle, folder, options.audio_url)
        return notes
    if options.audio_url is not None:
        raise UserError(f"--audio-url is for labelling tools, such as label_studio; found {options.format}")
    if module is csv:
        csv.write(bundle, folder, spreadsheet_safe=options.spreadsheet_safe)
    else:
        module.write(bundle, folder)
    return []


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(export)
