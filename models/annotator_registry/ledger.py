"""The ledger of annotators: every ALM that was tried on a corpus, its result, and the decision.

A row is written once and never changed. The file is Parquet, replaced as a whole under a lock, so that two
processes that decide at the same time both keep their rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

import polars as pl
from filelock import FileLock

from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.files import atomic_path
from ambivox.models.parquet_files import read_parquet

_EXPECTED = "a ledger of annotators; restore it with dvc checkout"
Decision = Literal["promoted", "rejected", "declined", "failed", "duplicate", "initial"]


@dataclass(frozen=True)
class Entry:
    """One decision.

    Attributes:
        decided_at: When, in UTC.
        corpus: The corpus's key.
        alm: The candidate's name.
        version: Its version in its source (candidate.py).
        source: The source that offered it.
        decision: ``promoted``, ``rejected`` (not better, or untrustworthy), ``declined`` (by a person), ``failed``
            (could not be tried), ``duplicate`` (an ALM with this revision was decided on before), ``initial``
            (in use when the ledger began).
        reason: Why, in one line.
        baseline: What it was compared with.
        pilot_utterances: How many utterances it was tried on.
        nll: Mean negative log-likelihood (nats per vote) of the pilot's other votes, given human votes pooled with its
            answers. None in ledgers of earlier releases.
        baseline_nll: That of the baseline.
        js: Mean JS divergence (base 2) of its answers alone to the human votes of the pilot.
        baseline_js: That of the baseline.
        gain: ``baseline_nll - nll``; ``baseline_js - js`` in ledgers of earlier releases.
        gain_low: Lower end of the gain's interval over speakers, of coverage ``1 - 2 level``.
        gain_high: Upper end of that interval.
        level: Of the one-sided test; None in ledgers of earlier releases, whose intervals are of 95 %.
        label_mass: Mean probability that it puts on the labels, all together.
        refusal_rate: Share of prompts that it refused.
        audio_sensitive: Whether another clip's audio changes its answers; None where that was not checked.
        seconds: How long its pilot took.
        location: Where it was loaded from.
        revision: What the vote store knows it by: ``revision_of`` its folder. Empty where it was never loaded.
        cost_usd: What its pilot cost (US dollars); None for an ALM that ran here, or whose prices are not known.
        equivalent_votes: Human votes that its answers about an utterance count for, on average over the pilot.
        votes_per_dollar: Equivalent votes per US dollar; None without ``cost_usd``.
        shutdown: The day from which its provider no longer serves it (ISO); "" where none is announced.
    """

    decided_at: datetime
    corpus: str
    alm: str
    version: str
    source: str
    decision: Decision
    reason: str
    baseline: str = ""
    pilot_utterances: int = 0
    nll: float | None = None
    baseline_nll: float | None = None
    js: float | None = None
    baseline_js: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    level: float | None = None
    label_mass: float | None = None
    refusal_rate: float | None = None
    audio_sensitive: bool | None = None
    seconds: float | None = None
    location: str = ""
    revision: str = ""
    cost_usd: float | None = None
    equivalent_votes: float | None = None
    votes_per_dollar: float | None = None
    shutdown: str = ""

    def __str__(self) -> str:
        """One line: the ALM, the decision, the reason, and the figures where there are any."""
        name = f"{self.alm}@{self.version[:8]}"
        if self.gain is None or self.gain_low is None or self.gain_high is None:
            return f"{name}: {self.decision} ({self.reason})"
        score, own, baseline = ("nll", self.nll, self.baseline_nll)
        if own is None or baseline is None:
            score, own, baseline = ("JS", self.js, self.baseline_js)
        return (
            f"{name}: {self.decision} ({self.reason}); {score} {own or 0:.3f}, {self.baseline} {baseline or 0:.3f}, "
            f"gain {self.gain:+.3f} [{self.gain_low:+.3f}, {self.gain_high:+.3f}] on {counted(self.pilot_utterances, 'utterance')}"
            + ("" if self.cost_usd is None else f"; {self.cost_usd:.4f} USD")
            + (
                ""
                if self.votes_per_dollar is None
                else f", {self.votes_per_dollar:.0f} equivalent votes per USD"
            )
        )


SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "decided_at": pl.Datetime("us", "UTC"),
    "corpus": pl.String,
    "alm": pl.String,
    "version": pl.String,
    "source": pl.String,
    "decision": pl.String,
    "reason": pl.String,
    "baseline": pl.String,
    "pilot_utterances": pl.Int64,
    "nll": pl.Float64,
    "baseline_nll": pl.Float64,
    "js": pl.Float64,
    "baseline_js": pl.Float64,
    "gain": pl.Float64,
    "gain_low": pl.Float64,
    "gain_high": pl.Float64,
    "level": pl.Float64,
    "label_mass": pl.Float64,
    "refusal_rate": pl.Float64,
    "audio_sensitive": pl.Boolean,
    "seconds": pl.Float64,
    "location": pl.String,
    "revision": pl.String,
    "cost_usd": pl.Float64,
    "equivalent_votes": pl.Float64,
    "votes_per_dollar": pl.Float64,
    "shutdown": pl.String,
}
_LATER_COLUMNS = ("nll", "baseline_nll", "level", "cost_usd", "equivalent_votes", "votes_per_dollar")
_FORMER_COLUMNS = {
    "revision": "version",
    "against": "baseline",
    "js_against": "baseline_js",
    "refused": "refusal_rate",
    "hears": "audio_sensitive",
}


@dataclass(frozen=True)
class Ledger:
    """The ledger in the Parquet file ``path``; a missing file is an empty ledger."""

    path: Path

    def read(self) -> pl.DataFrame:
        """Every row, in the order of writing; a ledger of an earlier release is converted.

        Raises:
            UserError: The file is not a ledger.
        """
        if not self.path.is_file():
            return pl.DataFrame(schema=SCHEMA)
        try:
            rows = _converted(read_parquet(self.path, _EXPECTED))
            return rows.select(list(SCHEMA)).cast(SCHEMA)  # type: ignore[arg-type]  # polars' stubs
        except pl.exceptions.PolarsError as error:
            raise UserError(f"{self.path}: found other columns ({error}); expected {_EXPECTED}") from error

    def append(self, *entries: Entry) -> None:
        """Add rows; a reader sees all of them or none."""
        assert all(entry.decision in get_args(Decision) for entry in entries)
        rows = pl.DataFrame([asdict(entry) for entry in entries], schema=SCHEMA)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")):
            all_rows = pl.concat([self.read(), rows])
            with atomic_path(self.path) as temporary:
                all_rows.write_parquet(temporary, compression="zstd")

    def trials(self) -> int:
        """How many trials could have ended in a promotion: those with a result, but the annotator in use."""
        tried = pl.col("gain").is_not_null() & (pl.col("decision") != "initial")
        return self.read().filter(tried).height

    def is_known(self, candidate: Candidate) -> bool:
        """Whether this version, or the same weights under another name, was decided on.

        A failure counts: a candidate is tried again only when it changes.
        """
        same_version = (pl.col("alm") == candidate.alm) & (pl.col("version") == candidate.version)
        same_weights = pl.col("revision") == candidate.version
        return bool(self.read().filter(same_version | same_weights).height)

    def revisions(self) -> dict[str, str]:
        """Revision to name of every ALM that was loaded; the first name where it had several."""
        loaded = self.read().filter(pl.col("revision") != "").unique("revision", keep="first")
        return dict(loaded.select("revision", "alm").iter_rows())

    def current(self) -> Entry | None:
        """The annotator in use: the last one promoted, else the one that the ledger began with."""
        rows = self.read().filter(pl.col("decision").is_in(["promoted", "initial"])).tail(1)
        return Entry(**rows.row(0, named=True)) if rows.height else None

    def leaderboard(self) -> pl.DataFrame:
        """The last result of every ALM version, the lowest nll first; those with JS alone next, without a result last."""
        return (
            self.read()
            .filter(pl.col("decision") != "duplicate")
            .sort("decided_at")
            .group_by("alm", "version", maintain_order=True)
            .last()
            .sort("nll", "js", "decided_at", nulls_last=True)
            .select(
                "alm",
                "version",
                "decision",
                "nll",
                "js",
                "gain",
                "gain_low",
                "gain_high",
                "cost_usd",
                "votes_per_dollar",
                "reason",
                "decided_at",
            )
        )


def _converted(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a former ledger in today's columns; those of today as they are."""
    later = [name for name in _LATER_COLUMNS if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in later)
    if "shutdown" not in rows.columns:
        rows = rows.with_columns(shutdown=pl.lit(""))
    if "version" in rows.columns:
        return rows
    initial = pl.col("decision") == "standing"
    return rows.rename(_FORMER_COLUMNS).with_columns(
        # Only this row came from the annotator's folder; the others had a commit, or a digest of all files.
        revision=pl.when(initial).then("version").otherwise(pl.lit("")),
        decision=pl.when(initial).then(pl.lit("initial")).otherwise("decision"),
    )
