"""Human votes that were collected after the corpus was published, and that every ingest adds to it.

``imported_votes/<corpus>.csv`` in a project holds them as text that belongs into version control: one row per label that
an annotator chose, with the file that it came from, and when it was entered where that is known.
``ambivox import-votes --into <corpus>`` writes it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path
from ambivox.models.ingestion.corpus import rejected
from ambivox.models.ingestion.reading import read_csv
from ambivox.models.tables import Votes

# The name of the file that the votes came from, and the hash of its content.
_PROVENANCE = ("source", "source_sha256")
_ENTERED_AT = "entered_at"  # optional: not every tool tells
_REQUIRED = ("utterance_id", "annotator_id", "label", "weight", *_PROVENANCE)
_COLUMNS = (*_REQUIRED, _ENTERED_AT)
_DATE = "%Y-%m-%dT%H:%M:%S%.6fZ"
_PAIR = ["utterance_id", "annotator_id"]


@dataclass(frozen=True)
class Addition:
    """What an import changed.

    Attributes:
        new: Votes of annotators on utterances that had none of them.
        changed: Votes that replace an earlier import's with other labels.
        unchanged: Votes that were there already.
        older: Votes that were entered before the ones that are there, which stay.
    """

    new: int
    changed: int
    unchanged: int
    older: int = 0


def place(project: Path, corpus: str) -> Path:
    """Where a project keeps the imported votes of a corpus.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus's name in params.yaml.

    Returns:
        The file, which need not exist.
    """
    return project / "imported_votes" / f"{corpus}.csv"


def create(path: Path) -> None:
    """Write the file without votes, unless it exists: DVC needs every dependency to exist."""
    if not path.exists():
        _write(pl.DataFrame(schema=dict.fromkeys(_COLUMNS, pl.String)), path)


def none() -> pl.DataFrame:
    """Make an empty table, with the columns that ``read`` returns."""
    return pl.DataFrame(
        schema=dict.fromkeys(_COLUMNS, pl.String)
        | {"weight": pl.Float64, "line": pl.Int64, "file": pl.String}
    )


def read(path: Path) -> pl.DataFrame:
    """Read imported votes.

    Args:
        path: The file; no file means no votes.

    Returns:
        Its columns as text (``entered_at`` is null where no date is known), ``weight`` as a number, and ``file`` and ``line`` for messages.

    Raises:
        UserError: A column is missing, or a weight is no positive number.
    """
    if not path.exists():
        return none()
    frame = read_csv(path, _REQUIRED)
    if _ENTERED_AT not in frame.columns:
        frame = frame.with_columns(entered_at=pl.lit(None, pl.String))
    frame = frame.select(*_COLUMNS, "line").with_columns(file=pl.lit(str(path)))
    frame = frame.with_columns(pl.col("weight").cast(pl.Float64, strict=False))
    wrong = frame.filter(~(pl.col("weight").is_finite() & (pl.col("weight") > 0)).fill_null(value=False))
    if wrong.height:
        raise UserError(
            f"{path}:{wrong['line'][0]}: the weight of a vote must be a positive number; correct it"
        )
    return frame


def add(path: Path, votes: Votes, source: str, source_sha256: str) -> Addition:
    """Add votes to the file. Where an annotator is in it with the same utterance, the vote that was entered later counts.

    Args:
        path: The file; it is created if it does not exist.
        votes: The votes to add; ``entered_at`` says when they were entered. Where a date is missing, the new vote counts.
        source: The name of the file that they come from.
        source_sha256: The hash of that file.

    Returns:
        What changed.

    Raises:
        UserError: See ``read``.
    """
    old = read(path).select(_COLUMNS)
    frame = votes.frame
    if _ENTERED_AT not in frame.columns:
        frame = frame.with_columns(entered_at=pl.lit(None, pl.Datetime("us", "UTC")))
    new = frame.with_columns(
        pl.col(_ENTERED_AT).dt.strftime(_DATE), source=pl.lit(source), source_sha256=pl.lit(source_sha256)
    ).select(_COLUMNS)
    values = ["utterance_id", "annotator_id", "label", "weight"]
    pairs = new.select(_PAIR).unique()
    known = pairs.join(old, on=_PAIR, how="semi")
    # A vote that says the same again keeps its first source, so that importing a file twice changes nothing.
    same = known.join(
        pl.concat(
            [
                new.join(old, on=values, how="anti"),
                old.join(new, on=values, how="anti").join(pairs, on=_PAIR, how="semi"),
            ]
        ),
        on=_PAIR,
        how="anti",
    )
    both = _dated(new).join(_dated(old), on=_PAIR, suffix="_old")
    earlier = both.filter((pl.col("date") < pl.col("date_old")).fill_null(value=False))
    later = both.filter((pl.col("date") > pl.col("date_old")).fill_null(value=False))
    older = known.join(same, on=_PAIR, how="anti").join(earlier, on=_PAIR, how="semi")
    # Who says the same again at a later date has not changed their mind by then.
    staying = pl.concat([same.join(later, on=_PAIR, how="anti"), older])
    merged = pl.concat(
        [
            old.join(pairs.join(staying, on=_PAIR, how="anti"), on=_PAIR, how="anti"),
            new.join(staying, on=_PAIR, how="anti"),
        ]
    )
    _write(merged.sort(_COLUMNS), path)
    changed = known.height - same.height - older.height
    return Addition(pairs.height - known.height, changed, same.height, older.height)


def check(
    imported: pl.DataFrame, labels: tuple[str, ...], utterance_ids: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Separate the votes that fit a corpus as it is now from those that do not.

    Args:
        imported: What ``read`` returned.
        labels: The labels of the corpus.
        utterance_ids: The usable utterances.

    Returns:
        The votes that fit, and the others with the columns of REJECTS.
    """
    is_known = pl.col("utterance_id").is_in(utterance_ids.implode()).fill_null(value=False)
    is_label = pl.col("label").is_in(list(labels)).fill_null(value=False)
    has_name = pl.col("annotator_id").is_not_null()
    return imported.filter(is_known & is_label & has_name), pl.concat(
        [
            rejected(imported.filter(~is_known), "imported vote for an unknown utterance"),
            rejected(
                imported.filter(is_known & ~is_label), "imported vote with an unknown label", pl.col("label")
            ),
            rejected(imported.filter(is_known & is_label & ~has_name), "imported vote without an annotator"),
        ]
    )


def merge(
    kept: pl.DataFrame, heldout: pl.DataFrame, imported: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add imported votes to the votes that are kept.

    They are never held out. What their annotators said before about the same utterance is replaced, also where it was
    held out: an annotator must not be in the input and in the target.

    Args:
        kept: The votes that are kept.
        heldout: The votes that are held out.
        imported: Votes that fit; see ``check``.

    Returns:
        Both tables with their columns, sorted.
    """
    added = imported.select("utterance_id", "annotator_id", "label", "weight").with_columns(
        annotator_kind=pl.lit("human")
    )
    earlier = kept.join(imported, on=_PAIR, how="anti")
    merged = pl.concat([earlier, added.select(earlier.columns)], how="vertical_relaxed")
    return merged.sort("utterance_id", "annotator_id", "label"), heldout.join(imported, on=_PAIR, how="anti")


def forget(path: Path, utterance_ids: Collection[str]) -> int:
    """Remove the votes on utterances from the file.

    Args:
        path: The file, which need not exist.
        utterance_ids: The utterances.

    Returns:
        How many rows were removed.

    Raises:
        UserError: See ``read``.
    """
    votes = read(path)
    rest = votes.filter(~pl.col("utterance_id").is_in(list(utterance_ids)))
    if rest.height < votes.height:
        _write(rest, path)
    return votes.height - rest.height


def describe(imported: pl.DataFrame) -> list[str]:
    """A line for the user about imported votes; none where there are none."""
    if not imported.height:
        return []
    sources = imported["source"].drop_nulls().unique().sort().to_list()
    shown = ", ".join(sources[:3]) + (f" and {len(sources) - 3} more files" if len(sources) > 3 else "")
    pairs = imported.select(_PAIR).unique()
    return [
        f"{counted(pairs.height, 'vote')} of {counted(pairs['annotator_id'].n_unique(), 'annotator')} on "
        f"{counted(pairs['utterance_id'].n_unique(), 'utterance is', 'utterances are')} imported ({shown or 'of unknown source'})"
    ]


def _dated(votes: pl.DataFrame) -> pl.DataFrame:
    """When each annotator last voted on each utterance."""
    date = pl.col(_ENTERED_AT).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_zone="UTC", strict=False)
    return votes.group_by(_PAIR).agg(date=date.max())


def _write(frame: pl.DataFrame, path: Path) -> None:
    columns = _COLUMNS if frame[_ENTERED_AT].count() else _REQUIRED
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        frame.select(columns).write_csv(temporary)
