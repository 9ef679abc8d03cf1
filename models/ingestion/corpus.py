"""What a corpus loader returns: utterances and votes as they are on disk, before audio is probed and splits are drawn.

``models/corpora/<key>.py`` has a docstring (what, where from, licence, known defects, a sample row) and one
function

    def load(root: Path, *, an_option: bool = False, another: str = "x") -> CorpusData

Its keyword-only parameters, each with a type and a default, are the corpus's options; nothing else is registered. A
loader only reads, and puts what it cannot read into ``rejects``. ``models/ingestion/ingest.py`` does the rest, the
same for every corpus: unknown labels, duplicates, votes for unknown utterances, missing audio, the label schema,
splits, held-out votes, and the profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.tables.rejects import REJECTS


def no_rejects() -> pl.DataFrame:
    """Make an empty table of rejects.

    Returns:
        No rows, with the columns of REJECTS.
    """
    return pl.DataFrame(schema=REJECTS)


def rejected(rows: pl.DataFrame, reason: str, detail: str | pl.Expr = "") -> pl.DataFrame:
    """Make rejects from rows that cannot be used.

    Args:
        rows: The rows; ``file``, ``line`` and ``utterance_id`` are kept where they are known.
        reason: Why the rows cannot be used; rejects are counted per reason.
        detail: What was found in the row: one text for all, or an expression.

    Returns:
        The rows, with the columns of REJECTS.
    """
    if not rows.height:
        return no_rejects()
    explained = rows.with_columns(
        reason=pl.lit(reason), detail=pl.lit(detail) if isinstance(detail, str) else detail
    )
    columns = [
        pl.col(name).cast(dtype) if name in explained.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in REJECTS.items()
    ]
    return explained.select(columns)


@dataclass(frozen=True)
class CorpusData:
    """A corpus as its files describe it.

    Attributes:
        labels: The full label set, in a fixed order. Where a name in ``ambivox.models.ingestion.labels`` fits, it is
            used, so that the same emotion has the same name in every corpus.
        utterances: ``utterance_id`` and ``audio`` (``str(root / ...)``, links not followed, or an s3:// URL),
            and where known ``transcript``, ``speaker`` (null: unknown), ``language``, ``sex``, ``age``,
            ``split`` (the official one; null: to be drawn), ``file`` and ``line`` (for messages).
        votes: One row per label that a human annotator gave: ``utterance_id``, ``annotator_id``, ``label``, and
            where known ``file`` and ``line``, or ``weight``. Several labels of one annotator for one utterance share
            one vote.
        licence: The corpus's licence, in a few words.
        audio_may_be_shared: Whether the licence lets anyone pass on the recordings.
        rejects: What could not be read, with the columns of REJECTS.
        truth: The distributions that the votes were drawn from, where known: ``utterance_id`` and one column
            per label.
        ratings: Arousal, valence and dominance, where they were rated: the columns of the table Ratings, and where known
            ``file`` and ``line``.
        shares: The corpus's own default shares of pretrain, train, development and test.
        notes: Lines for the user about anything that is read in a way that is not obvious.
    """

    labels: tuple[str, ...]
    utterances: pl.DataFrame
    votes: pl.DataFrame
    licence: str
    rejects: pl.DataFrame = field(default_factory=no_rejects)
    truth: pl.DataFrame | None = None
    ratings: pl.DataFrame | None = None
    shares: tuple[float, float, float, float] | None = None
    notes: tuple[str, ...] = ()
    audio_may_be_shared: bool = False


def require_layout(root: Path, expected: Sequence[str], corpus: str) -> None:
    """Check that a corpus's folder holds the expected files and folders.

    Args:
        root: The folder that the user gave.
        expected: Names that must be in it.
        corpus: The corpus's name, for messages.

    Raises:
        UserError: Something is missing; where the folder above or one below holds everything, the message says so.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; expected the root of {corpus} with {', '.join(expected)}")
    missing = [name for name in expected if not (root / name).exists()]
    if not missing:
        return
    nearby = [root.parent, *sorted(child for child in root.iterdir() if child.is_dir())]
    for other in nearby:
        if all((other / name).exists() for name in expected):
            raise UserError(f"{root}: {missing[0]} is not here but in {other}; give that as --root")
    raise UserError(f"{root}: not the root of {corpus}: {', '.join(missing)} not found")
