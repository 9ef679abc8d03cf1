"""import_votes: human votes that were collected or kept in another tool come back, as a table or into a corpus."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ambivox.models.counted import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polars import DataFrame

    from ambivox.models.tables import Utterances, Votes

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImportVotesOptions:
    """Options of the step ``import-votes``.

    Attributes:
        format: A file in models/exchange/: a labelling tool (label_studio, potato, argilla), or csv, parquet,
            huggingface, audformat, lhotse.
        control: The name of the control, scheme or question of the labelling tool that holds the labels.
        id_field: The field of a task's data, in Argilla of a record's metadata, that holds the utterance's id or audio;
            tasks of Label Studio without it are matched by their only field with audio.
    """

    format: str = "label_studio"
    control: str = "emotion"
    id_field: str = "utterance_id"


def import_votes(
    *,
    source: Path,
    utterances: Path | None = None,
    out: Path | None = None,
    votes: Path | None = None,
    into: str | None = None,
    project: Path = Path(),
    options: ImportVotesOptions,
) -> Path:
    """Read votes from another tool's format: the result of a labelling tool, or what export wrote.

    With --into, the votes are added to a corpus of the project, and the next run pools them: imported_votes/KEY.csv
    holds them with the file that they came from, through every later ingest. With --out, a folder with votes.parquet
    is written instead. Either way, annotations that were skipped, have no label or an unknown one, or are about an
    unknown utterance are counted, and listed in rejects.parquet (with --into in imported_votes/KEY-rejects.parquet).

    Args:
        source: Label Studio's JSON, JSON-MIN, CSV or TSV export; Potato's project, or its JSONL, CSV or
            TSV; Argilla's records.json; for other formats the folder that export wrote.
        utterances: utterances.parquet; its labels are the ones allowed. With --into, that of the corpus.
        out: The folder to write.
        votes: Votes to add these to. Where an annotator has voted on an utterance before, the new vote counts.
        into: The corpus's name in params.yaml and data/.
        project: The folder that holds dvc.yaml.
        options: See ImportVotesOptions.

    Returns:
        The folder, or with --into the file of the corpus's imported votes.

    Raises:
        UserError: The source cannot be read or has other labels, or there is not exactly one of --into and --out.
    """
    from ambivox.models.errors import UserError
    from ambivox.models.files import atomic_folder, check_output_folder
    from ambivox.models.ingestion.merging import add_votes
    from ambivox.models.tables import Utterances, Votes

    if into is not None:
        if out is not None or votes is not None or utterances is not None:
            raise UserError(
                "--into takes utterances and votes from the corpus; leave out --utterances, --votes and --out"
            )
        return _import_into(project, into, source, options)
    if out is None or utterances is None:
        raise UserError("import-votes needs --into KEY, or --utterances FILE and --out FOLDER")
    inputs = (source, utterances, votes)
    check_output_folder(out, inputs)
    listed = Utterances.read(utterances)
    old = Votes.read(votes) if votes else None
    found, rejects = _read(source, listed, old, options)
    whole, replaced = add_votes(old, found, listed)
    with atomic_folder(out, inputs) as folder:
        whole.write(folder / "votes.parquet")
        rejects.write_parquet(folder / "rejects.parquet", compression="zstd")
    _logger.info(
        f"{counted(len(found), 'vote')} read, {replaced:,} replace earlier ones, {rejects.height:,} rejected"
    )
    _log_rejects(rejects, found, source)
    _logger.info(f"import_votes: {out}")
    return out


def _import_into(project: Path, corpus: str, source: Path, options: ImportVotesOptions) -> Path:
    """Add the votes to those that every ingest of the corpus adds."""
    import hashlib

    from ambivox.models import exchange
    from ambivox.models.errors import UserError
    from ambivox.models.files import atomic_path
    from ambivox.models.ingestion import imported_votes
    from ambivox.models.registry import find
    from ambivox.models.tables import Utterances, Votes

    ingested = project / "data" / corpus / "ingest"
    if not (ingested / "utterances.parquet").is_file():
        raise UserError(
            f"{ingested}: no utterances there; expected the name of a corpus that was ingested (see params.yaml), found "
            f"{corpus!r}; start with `ambivox run`"
        )
    listed = Utterances.read(ingested / "utterances.parquet")
    earlier = Votes.read(ingested / "votes.parquet")
    file = imported_votes.place(project, corpus)
    imported = imported_votes.read(file)
    found, rejects = _read(source, listed, earlier, options, imported["annotator_id"].drop_nulls().unique())
    if not exchange.is_labelling_tool(find(exchange, options.format, "format")):
        found, rejects = _fitting(found, listed, source)
    digest = hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else ""
    addition = imported_votes.add(file, found, source.name, digest)
    with atomic_path(file.with_name(f"{corpus}-rejects.parquet")) as temporary:
        rejects.write_parquet(temporary, compression="zstd")
    older = f"{addition.older:,} are older than imported ones, " if addition.older else ""
    _logger.info(
        f"{addition.new:,} new votes, {addition.changed:,} replace imported ones, {older}{addition.unchanged:,} were there, "
        f"{rejects.height:,} rejected"
    )
    _log_replaced(earlier.frame, imported, found.frame)
    _log_rejects(rejects, found, source)
    _logger.info(f"import_votes: {file}; the next `ambivox run` pools them")
    return file


def _read(
    source: Path,
    listed: Utterances,
    old: Votes | None,
    options: ImportVotesOptions,
    imported: Iterable[str] = (),
) -> tuple[Votes, DataFrame]:
    """The votes of a source, and what cannot be used."""
    from ambivox.models import exchange
    from ambivox.models.ingestion.corpus import no_rejects
    from ambivox.models.registry import find

    module = find(exchange, options.format, "format")
    if exchange.is_labelling_tool(module):
        known = old.frame["annotator_id"].unique().to_list() if old else ()
        votes: tuple[Votes, DataFrame] = module.read_votes(
            source,
            listed,
            control=options.control,
            id_field=options.id_field,
            known_annotators=known,
            imported_annotators=imported,
        )
        return votes
    return module.read(source).votes, no_rejects()


def _fitting(votes: Votes, listed: Utterances, source: Path) -> tuple[Votes, DataFrame]:
    """The votes of people that fit a corpus, and the others."""
    import polars as pl

    from ambivox.models.ingestion import imported_votes
    from ambivox.models.ingestion.corpus import rejected
    from ambivox.models.ingestion.label_spellings import LabelSpellings, check_labels
    from ambivox.models.tables import Votes

    spellings = LabelSpellings(listed.labels)
    meant = {label: spellings.find(label) or label for label in votes.frame["label"].unique()}
    frame = votes.frame.with_columns(pl.col("label").replace(meant), file=pl.lit(str(source)))
    is_human = pl.col("annotator_kind") == "human"
    labels = frame.filter(is_human)["label"]
    check_labels(labels.filter(~labels.is_in(list(listed.labels))), len(labels), listed.labels, source)
    fits, rejects = imported_votes.check(frame.filter(is_human), listed.labels, listed.frame["utterance_id"])
    by_models = rejected(
        frame.filter(~is_human), "vote of an ALM (import-annotations takes them)", pl.col("annotator_id")
    )
    # What is left of the labels of one annotator weighs as much as one vote.
    weight = pl.col("weight") / pl.col("weight").sum().over("utterance_id", "annotator_id")
    whole = frame.group_by("utterance_id", "annotator_id").len("_all")
    counted_labels = pl.len().over("utterance_id", "annotator_id")
    scaled = fits.join(whole, on=["utterance_id", "annotator_id"]).with_columns(
        weight=pl.when(counted_labels < pl.col("_all")).then(weight).otherwise("weight")
    )
    return Votes.check(scaled.select(list(Votes.required)), listed.labels, str(source)), pl.concat(
        [rejects, by_models]
    )


def _log_replaced(earlier: DataFrame, imported: DataFrame, found: DataFrame) -> None:
    """Say which votes of the corpus itself count no longer, since their annotators now say something else."""
    pair = ["utterance_id", "annotator_id"]
    own = earlier.join(imported, on=pair, how="anti").join(found, on=pair, how="semi")
    other = own.join(found, on=[*pair, "label"], how="anti").sort(pair)
    number = other.select(pair).n_unique()
    if number:
        row = other.row(0, named=True)
        new = found.filter(utterance_id=row["utterance_id"], annotator_id=row["annotator_id"])["label"]
        _logger.info(
            f"{counted(number, 'replaces a vote', 'replace votes')} of the corpus, such as {row['annotator_id']!r} on "
            f"{row['utterance_id']!r}: {row['label']} becomes {', '.join(new)}"
        )


def _log_rejects(rejects: DataFrame, found: Votes, source: Path) -> None:
    from ambivox.models.ingestion.rejected_rows import reasons_with_examples

    if not len(found):
        _logger.warning(f"{source}: no vote was read; see whether this is the finished export")
    for reason in reasons_with_examples(rejects, found.labels):
        _logger.info(f"  {reason}")


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(import_votes)
