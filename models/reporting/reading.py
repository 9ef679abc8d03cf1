"""The outputs of a run in data/<key>/, each file read once; missing files are absent, damaged ones are errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from ambivox.models.annotation import checks_file, several_alms
from ambivox.models.hashes import file_sha256
from ambivox.models.left_out import left_out_reason
from ambivox.models.parquet_files import read_parquet
from ambivox.models.reporting.estimates import Estimate, parse_estimate
from ambivox.models.step_figures import read_step_figures
from ambivox.models.tables import SOURCES, Annotations, Distributions, Ratings, Table, Utterances, Votes

T = TypeVar("T", bound=Table)

#: File name -> old key -> present key, of JSON files that earlier versions wrote.
_RENAMED_KEYS = {
    "metrics.json": {"macro_f1": "f1_macro", "weighted_f1": "f1_weighted"},
    "pooling.json": {
        "worth_in_human_votes": "equivalent_votes",
        "worth_by_ambiguity": "equivalent_votes_by_ambiguity",
        "informs": "is_informative",
    },
    "checks.json": checks_file.RENAMED_KEYS,
    "augmentation.json": {"left_out": "rejects"},
}


def with_present_keys(file_name: str, content: Any) -> Any:
    """Return the content of a JSON file of any version under the present keys; where both are there, the present one wins.

    Args:
        file_name: the name of the file, such as ``metrics.json``.
        content: its parsed content.

    Example:
        >>> with_present_keys("metrics.json", {"pooled": {"macro_f1": 0.5}})
        {'pooled': {'f1_macro': 0.5}}
    """
    renamed = _RENAMED_KEYS.get(file_name)
    return _renamed(content, renamed) if renamed else content


def _renamed(content: Any, renamed: dict[str, str]) -> Any:
    if isinstance(content, list):
        return [_renamed(item, renamed) for item in content]
    if not isinstance(content, dict):
        return content
    return {
        renamed.get(key, key): _renamed(value, renamed)
        for key, value in content.items()
        if renamed.get(key, key) == key or renamed[key] not in content
    }


def worth_text(worth: dict[str, Any], score: str, part: str = "overall") -> str:
    """A rate as text, such as "2.3 [1.2, 4.0]"; empty where there is none.

    Args:
        worth: of an ALM, see ``Run.worth``.
        score: such as ``nll``.
        part: ``overall`` or a tertile of ambiguity.

    Example:
        >>> worth_text({"nll": {"overall": {"text": "2.3 [1.2, 4.0]", "is_extrapolated": True}}}, "nll")
        '2.3 [1.2, 4.0] (extrapolated)'
    """
    rates = worth.get(score)
    rate = rates.get(part) if isinstance(rates, dict) else None
    if not isinstance(rate, dict) or "text" not in rate:
        return ""
    return f"{rate['text']} (extrapolated)" if rate.get("is_extrapolated") else str(rate["text"])


@dataclass
class Run:
    """The outputs of one corpus under ``root``. What is asked for and damaged raises ``UserError``."""

    root: Path

    def table(self, kind: type[T], name: str) -> T | None:
        """Return the table in the file ``name``; None where it is missing."""
        return kind.read(self.root / name) if (self.root / name).is_file() else None

    def frame(self, name: str) -> pl.DataFrame | None:
        """Return any Parquet file as a bare frame (rejects and details have no table type); None where it is missing."""
        path = self.root / name
        if not path.is_file():
            return None
        return read_parquet(path, "a table as its step wrote it; run that step again")

    def json(self, name: str) -> dict[str, Any]:
        """Return a JSON mapping under its present keys; empty where the file is missing."""
        path = self.root / name
        if not path.is_file():
            return {}
        content: dict[str, Any] = with_present_keys(path.name, read_step_figures(path))
        return content

    def left_out(self, *folders: str) -> list[str]:
        """Return why the pipeline left out the steps of these output folders, each reason once."""
        reasons = (left_out_reason(self.root / folder) for folder in folders)
        return list(dict.fromkeys(reason for reason in reasons if reason))

    @cached_property
    def utterances(self) -> Utterances | None:
        """All utterances of the corpus."""
        return self.table(Utterances, "ingest/utterances.parquet")

    @cached_property
    def votes(self) -> Votes | None:
        """The human votes that the pipeline used."""
        return self.table(Votes, "ingest/votes.parquet")

    @cached_property
    def heldout(self) -> Votes | None:
        """The human votes held out for validation; None where there are none."""
        table = self.table(Votes, "ingest/heldout.parquet")
        return table if table is not None and len(table) else None

    @cached_property
    def ratings(self) -> Ratings | None:
        """Ratings of arousal, valence and dominance; None where there are none."""
        return self.table(Ratings, "ingest/ratings.parquet")

    @cached_property
    def annotation_folders(self) -> list[str]:
        """The folders with the answers of one ALM each, the first ALM's first."""
        files = several_alms.annotation_files(self.root / "annotations" / several_alms.ANNOTATIONS)
        return [file.parent.relative_to(self.root).as_posix() for file in files]

    @cached_property
    def annotations(self) -> Annotations | None:
        """Every answer of the ALMs; None where there are none."""
        names = (f"{folder}/{several_alms.ANNOTATIONS}" for folder in self.annotation_folders)
        tables = [table for name in names if (table := self.table(Annotations, name)) is not None]
        if not any(map(len, tables)):
            return None
        frames = [table.frame for table in tables if table.labels == tables[0].labels]
        return Annotations(pl.concat(frames, how="diagonal_relaxed"), tables[0].labels)

    @cached_property
    def distributions(self) -> dict[str, Distributions]:
        """The distributions of each source that was written."""
        tables = {source: self.table(Distributions, f"distributions/{source}.parquet") for source in SOURCES}
        return {source: table for source, table in tables.items() if table is not None}

    @cached_property
    def test_targets(self) -> Votes | None:
        """The human votes that estimates are scored against."""
        return self.heldout if self.heldout is not None else self.votes

    @cached_property
    def interval_unit(self) -> str:
        """What scores of the test split have intervals over: speakers, or utterances where fewer than two are known."""
        if self.utterances is None:
            return "speakers"
        speakers = self.utterances.in_splits("test").frame["speaker"].drop_nulls()
        return "speakers" if speakers.n_unique() > 1 else "utterances"

    def worth(self) -> dict[str, dict[str, Any]]:
        """Return what each ALM is worth, from pooling.json; files of earlier versions have none.

        Returns:
            By ALM, the mapping of ``worth_values`` (models/pooling/summary.py).
        """
        alms = self.json("distributions/pooling.json").get("alms")
        return {
            str(name): worth
            for name, alm in (alms.items() if isinstance(alms, dict) else ())
            if isinstance(alm, dict) and isinstance(worth := alm.get("worth"), dict)
        }

    def worth_in_trial(self, votes: float) -> dict[str, dict[str, Any]]:
        """Return what each ALM is worth on the test speakers of the trial, beside about ``votes`` human votes.

        Args:
            votes: human votes per utterance.

        Returns:
            By ALM, as ``worth``; empty without a trial with so many votes kept.
        """
        by_votes = self.json("trial/trial.json").get("worth")
        worth = by_votes.get(f"{votes:.0f}") if isinstance(by_votes, dict) else None
        return (
            {str(name): alm for name, alm in worth.items() if isinstance(alm, dict)}
            if isinstance(worth, dict)
            else {}
        )

    def equivalent_votes(self) -> dict[str, Estimate]:
        """Return the mean equivalent votes (kappa of the formula) of each ALM, from pooling.json."""
        alms = self.json("distributions/pooling.json").get("alms")
        estimates = {
            str(name): parse_estimate(alm.get("equivalent_votes"))
            for name, alm in (alms.items() if isinstance(alms, dict) else ())
            if isinstance(alm, dict)
        }
        return {name: estimate for name, estimate in estimates.items() if estimate is not None}

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a file; None where it is missing."""
        path = self.root / name
        return file_sha256(path) if path.is_file() else None
