"""What a corpus's files give: utterances and votes as they are on disk, before probing and splitting.

``models/corpora/<key>.py`` has a docstring (what, where from, licence, known defects, a sample row) and one
function

    def load(root: Path, *, an_option: bool = False, another: str = "x") -> Loaded

Its keyword-only parameters, with a type and a default each, are the corpus's options; nothing else is
registered. ``models/ingestion/checking.py`` does the rest, the same for all: unknown labels, duplicates, votes for
nobody, missing audio, label schema, splits, votes held back, profile. So a loader only reads; what it cannot
read it puts in ``rejects``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ambivox.models.errors import UserError

REJECTS = {
    "file": pl.String,
    "line": pl.Int64,
    "utterance_id": pl.String,
    "reason": pl.String,
    "detail": pl.String,
}


def no_rejects() -> pl.DataFrame:
    """An empty table of rejects."""
    return pl.DataFrame(schema=REJECTS)


def rejected(rows: pl.DataFrame, reason: str, detail: str | pl.Expr = "") -> pl.DataFrame:
    """Rejects from rows that could not be used; ``file``, ``line`` and ``utterance_id`` stay if known."""
    explained = rows.with_columns(
        reason=pl.lit(reason), detail=pl.lit(detail) if isinstance(detail, str) else detail
    )
    columns = [
        pl.col(name).cast(kind) if name in explained.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in REJECTS.items()
    ]
    return explained.select(columns)


@dataclass(frozen=True)
class Loaded:
    """A corpus as its files tell it.

    Attributes:
        labels: The full label set, in a fixed order, in the words of ``ambivox.models.ingestion.labels`` where one fits, so
            that the same emotion has the same name in every corpus.
        utterances: ``utterance_id`` and ``audio`` (``str(root / ...)``, links not followed, or an s3:// URL),
            and where known ``transcript``, ``speaker`` (null: unknown), ``language``, ``sex``, ``age``,
            ``split`` (the official one; null: to be drawn), ``file`` and ``line`` (for messages).
        votes: one row a label that a person gave: ``utterance_id``, ``annotator_id``, ``label``, and where
            known ``file`` and ``line``, or ``weight``. Several labels of one annotator share that annotator's
            one vote.
        licence: The corpus's licence, in a few words.
        rejects: What could not be read, with the columns of REJECTS.
        truth: The distributions that the votes were drawn from, where known: ``utterance_id`` and one column
            a label.
        shares: The corpus's own default shares of pretrain, train, development and test.
        notes: Lines for the user: anything read in a way that is not obvious.
    """

    labels: tuple[str, ...]
    utterances: pl.DataFrame
    votes: pl.DataFrame
    licence: str
    rejects: pl.DataFrame = field(default_factory=no_rejects)
    truth: pl.DataFrame | None = None
    shares: tuple[float, float, float, float] | None = None
    notes: tuple[str, ...] = ()


def require_layout(root: Path, expected: Sequence[str], corpus: str) -> None:
    """Check that ``root`` holds every name in ``expected``; if it lies a folder up or down, say where.

    Raises:
        UserError: it does not.
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
