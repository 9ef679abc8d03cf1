"""The ledger of annotators: every ALM that was ever tried on a corpus, what was found, and what was decided.

A row is written once and never changed. The file is Parquet, replaced whole under a lock, so that two
processes that decide at once both leave their rows.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path

Decision = Literal["promoted", "rejected", "declined", "failed", "standing"]
DECISIONS: tuple[Decision, ...] = ("promoted", "rejected", "declined", "failed", "standing")


@dataclass(frozen=True)
class Entry:
    """One decision. JS is base 2 on the pilot; ``gain`` = JS of the one that stood - JS of the candidate."""

    decided_at: datetime
    corpus: str
    alm: str
    revision: str
    source: str
    decision: Decision
    reason: str
    against: str = ""
    pilot_utterances: int = 0
    js: float | None = None
    js_against: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    label_mass: float | None = None
    refused: float | None = None
    hears: bool | None = None
    seconds: float | None = None
    location: str = ""


SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "decided_at": pl.Datetime("us", "UTC"),
    "corpus": pl.String,
    "alm": pl.String,
    "revision": pl.String,
    "source": pl.String,
    "decision": pl.String,
    "reason": pl.String,
    "against": pl.String,
    "pilot_utterances": pl.Int64,
    "js": pl.Float64,
    "js_against": pl.Float64,
    "gain": pl.Float64,
    "gain_low": pl.Float64,
    "gain_high": pl.Float64,
    "label_mass": pl.Float64,
    "refused": pl.Float64,
    "hears": pl.Boolean,
    "seconds": pl.Float64,
    "location": pl.String,
}


class Ledger:
    """The ledger in one Parquet file; no file is an empty ledger."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> pl.DataFrame:
        """Every row, in the order of writing.

        Raises:
            UserError: the file is not a ledger.
        """
        if not self.path.is_file():
            return pl.DataFrame(schema=SCHEMA)
        try:
            return pl.read_parquet(self.path).select(list(SCHEMA)).cast(SCHEMA)  # type: ignore[arg-type]
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(
                f"{self.path}: not a ledger of annotators ({error}); restore it with dvc checkout"
            ) from error

    def append(self, *entries: Entry) -> None:
        """Add rows; a reader sees all of them or none."""
        for entry in entries:
            assert entry.decision in DECISIONS
        rows = pl.DataFrame([asdict(entry) for entry in entries], schema=SCHEMA)
        with self._locked():
            whole = pl.concat([self.read(), rows])
            with atomic_path(self.path) as temporary:
                whole.write_parquet(temporary, compression="zstd")

    def seen(self, alm: str, revision: str) -> bool:
        """Whether this revision was decided on. A failure counts: it is tried again only when it changes."""
        frame = self.read()
        return bool(frame.filter((pl.col("alm") == alm) & (pl.col("revision") == revision)).height)

    def standing(self) -> Entry | None:
        """The annotator in use: the last one promoted or entered as standing."""
        rows = self.read().filter(pl.col("decision").is_in(["promoted", "standing"])).tail(1)
        return Entry(**rows.row(0, named=True)) if rows.height else None

    def leaderboard(self) -> pl.DataFrame:
        """The best pilot result of every ALM revision, best JS first; those without a figure last."""
        return (
            self.read()
            .sort("decided_at")
            .group_by("alm", "revision", maintain_order=True)
            .last()
            .sort("js", "decided_at", nulls_last=True)
            .select(
                "alm", "revision", "decision", "js", "gain", "gain_low", "gain_high", "reason", "decided_at"
            )
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f".{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
