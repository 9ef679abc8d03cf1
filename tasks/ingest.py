"""ingest: a corpus as it is on disk becomes checked tables, a profile, and a list of what could not be used."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ambivox.models.errors import OnError, UserError
from ambivox.models.number_ranges import Count, Seed, Share

if TYPE_CHECKING:
    import polars as pl

_logger = logging.getLogger(__name__)
FIGURES = "profile.json"  # what --json shows


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """Options of the step ``ingest``.

    Attributes:
        options: Options of this corpus, such as --options.modality face; an unknown name lists the known ones.
        schema: The labels: full, four (anger, happiness, neutral, sadness), or a TOML or JSON file that maps
            them.
        shares: Shares of the splits pretrain, train, development and test (default: 0.6 0.15 0.05 0.2). Speakers
            in pretrain train the embedded ALM and nothing else; with another ALM use 0 0.7 0.1 0.2. Official
            splits stay as they are; only a pretrain share given here is taken from the official train.
        keep_votes: Keep the votes of this many annotators per utterance, drawn at random; the rest goes to
            heldout.parquet. By default all are kept.
        unknown_speakers: Utterances of unknown speakers go to train, or each counts as a speaker of its own
            (alone).
        on_error: What to do with a row or recording that cannot be used: reject it, or stop.
        channel: The channel to hear of recordings that have several (1 is the left); by default all are averaged.
        allow_outside_root: Read audio that the corpus names outside its folder; by default it is rejected.
        forgotten: Speakers and utterances to leave out, as `ambivox forget` lists them: hashes, not names.
        pseudonyms: Replace the names of speakers and annotators by keyed hashes.
        pseudonym_key: The key's file, made at its first use; keep it out of version control, and back it up.
        cache: The file that remembers probed audio; by default in the user's cache folder.
        seed: Seed of the splits and of the kept votes.
    """

    options: dict[str, str | int | float | bool] = field(default_factory=dict)
    schema: str = "full"
    shares: tuple[Share, Share, Share, Share] | None = None
    keep_votes: Count | None = None
    unknown_speakers: Literal["train", "alone"] = "train"
    on_error: OnError = "reject"
    channel: Count | None = None
    allow_outside_root: bool = False
    forgotten: tuple[str, ...] = ()
    pseudonyms: bool = False
    pseudonym_key: Path = Path(".ambivox/pseudonym.key")
    cache: Path | None = None
    seed: Seed = 0


def ingest(
    *, corpus: str, root: Path, out: Path, imported: Path | None = None, options: IngestOptions
) -> Path:
    """Read a corpus: utterances, votes, splits, and a profile of it.

    Writes a folder with utterances.parquet, votes.parquet, heldout.parquet, rejects.parquet, truth.parquet
    (where the true distributions are known), ratings.parquet (arousal, valence and dominance, where the corpus has
    them), profile.json, profile.md and profile.svg. What could not be used is
    in rejects.parquet, with file and line, and its number is shown.

    Args:
        corpus: The corpus: the name of a file in models/corpora/ (demo, crema_d, iemocap, lhotse, msp_podcast, table).
        root: The corpus's folder, in its official layout (for a table: the folder or file).
        out: The folder to write.
        imported: Votes that import-votes --into added to this corpus; they are kept whatever --keep-votes says.
        options: See IngestOptions.

    Returns:
        The folder.

    Raises:
        UserError: The corpus is not as expected; the message says where.
    """
    from ambivox.models.corpora import load_corpus
    from ambivox.models.files import atomic_folder, check_output_folder, write_json
    from ambivox.models.ingestion import imported_votes, pseudonyms
    from ambivox.models.ingestion.exclusions import without_excluded
    from ambivox.models.ingestion.ingest import ingest as ingest_corpus
    from ambivox.models.ingestion.rejected_rows import IngestError
    from ambivox.models.ingestion.splits import check_shares
    from ambivox.models.output_places import check_folders_to_fill
    from ambivox.models.reporting.figures.profile import profile_figure
    from ambivox.models.reporting.figures.style import save
    from ambivox.models.reporting.profile_page import profile_markdown, profile_summary

    inputs = (root, options.cache, imported)
    check_output_folder(out, inputs)
    check_folders_to_fill(options.cache and options.cache.parent)
    try:
        data = without_excluded(load_corpus(corpus, root, _as_text(options.options)), options.forgotten)
        more_votes = imported_votes.read(imported) if imported else imported_votes.none()
        if options.pseudonyms:
            key = pseudonyms.read_key(options.pseudonym_key, create=True)
            more_votes = pseudonyms.annotators_with_pseudonyms(more_votes, key, pseudonyms.raters(data))
            # A pseudonym may have been forgotten where the name is not known any more.
            data = without_excluded(pseudonyms.with_pseudonyms(data, key), options.forgotten)
        ingested = ingest_corpus(
            data,
            corpus,
            schema_name=options.schema,
            shares=None if options.shares is None else check_shares(options.shares),
            seed=options.seed,
            keep_votes=options.keep_votes,
            unknown_speakers=options.unknown_speakers,
            channel=options.channel,
            root=None if options.allow_outside_root else root,
            on_error=options.on_error,
            cache=options.cache,
            imported=more_votes,
        )
    except IngestError as error:
        _leave_rejects(out, inputs, error.rejects)
        raise UserError(f"{error} (all rejects: {out / 'rejects.parquet'})") from error
    with atomic_folder(out, inputs) as folder:
        ingested.utterances.write(folder / "utterances.parquet")
        ingested.votes.write(folder / "votes.parquet")
        ingested.heldout.write(folder / "heldout.parquet")
        ingested.rejects.write_parquet(folder / "rejects.parquet", compression="zstd")
        if ingested.ratings is not None:
            ingested.ratings.write(folder / "ratings.parquet")
        if ingested.truth is not None:
            ingested.truth.write(folder / "truth.parquet")
        write_json(folder / "profile.json", ingested.profile)
        (folder / "profile.md").write_text(profile_markdown(ingested.profile), encoding="utf-8")
        save(profile_figure(ingested.profile), folder / "profile.svg")
    _logger.info(profile_summary(ingested.profile))
    _logger.info(f"ingest: {out}")
    return out


def _leave_rejects(out: Path, inputs: Iterable[Path | None], rejects: pl.DataFrame) -> None:
    """Write what was rejected where the output would be; an earlier output stays, with new rejects."""
    from ambivox.models.files import atomic_folder, atomic_path

    if not out.is_dir():
        with atomic_folder(out, inputs):
            pass
    with atomic_path(out / "rejects.parquet") as temporary:
        rejects.write_parquet(temporary, compression="zstd")


def _as_text(options: dict[str, str | int | float | bool]) -> dict[str, str]:
    """The options as they are on the command line; params.yaml may hold numbers and true or false."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()
    }


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(ingest)
