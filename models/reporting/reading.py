"""What a run left in data/<key>/, read once; what is missing or unreadable is noted, never fatal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.reporting.estimates import Estimate, as_estimate
from ambivox.models.tables import SOURCES, Annotations, Distributions, Table, Utterances, Votes

T = TypeVar("T", bound=Table)
_BLOCK = 1 << 20


@dataclass
class Run:
    """One corpus's outputs under ``root``; ``problems`` gathers what could not be read, with its reason."""

    root: Path
    problems: list[str] = field(default_factory=list)

    def table(self, kind: type[T], name: str) -> T | None:
        """The table in ``name``; None where there is no such file, or it is broken (which is noted)."""
        if not (self.root / name).is_file():
            return None
        try:
            return kind.read(self.root / name)
        except UserError as error:
            self._note(str(error))
            return None

    def frame(self, name: str) -> pl.DataFrame | None:
        """Any Parquet file as a bare frame (rejects and details have no type of their own)."""
        if not (self.root / name).is_file():
            return None
        try:
            return pl.read_parquet(self.root / name)
        except (pl.exceptions.PolarsError, OSError) as error:
            self._note(f"{name}: not a readable Parquet file ({error})")
            return None

    def json(self, name: str) -> dict[str, Any]:
        """A JSON mapping; empty where there is none."""
        if not (self.root / name).is_file():
            return {}
        try:
            found = json.loads((self.root / name).read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            self._note(f"{name}: not readable as JSON ({error})")
            return {}
        return found if isinstance(found, dict) else {"entries": found}

    def _note(self, problem: str) -> None:
        problem = problem.replace(f"{self.root}/", "")
        if problem not in self.problems:
            self.problems.append(problem)

    @cached_property
    def utterances(self) -> Utterances | None:
        """All utterances of the corpus."""
        return self.table(Utterances, "ingest/utterances.parquet")

    @cached_property
    def votes(self) -> Votes | None:
        """The human votes that the pipeline was given."""
        return self.table(Votes, "ingest/votes.parquet")

    @cached_property
    def heldout(self) -> Votes | None:
        """The human votes held back for the test; None where none were."""
        found = self.table(Votes, "ingest/heldout.parquet")
        return found if found is not None and len(found) else None

    @cached_property
    def annotations(self) -> Annotations | None:
        """Every answer of the ALM."""
        return self.table(Annotations, "annotations/annotations.parquet")

    @cached_property
    def distributions(self) -> dict[str, Distributions]:
        """The distributions of each source that there is."""
        found = {source: self.table(Distributions, f"distributions/{source}.parquet") for source in SOURCES}
        return {source: table for source, table in found.items() if table is not None}

    @cached_property
    def test_targets(self) -> Votes | None:
        """The human votes that estimates are judged by."""
        return self.heldout if self.heldout is not None else self.votes

    def equivalent_votes(self) -> dict[str, Estimate]:
        """How many human votes each ALM is worth, from pooling.json (whose key was once worth_in_human_votes)."""
        pooling = self.json("distributions/pooling.json")
        alms = pooling.get("alms")
        found = {
            str(name): as_estimate(one.get("equivalent_votes", one.get("worth_in_human_votes")))
            for name, one in (alms.items() if isinstance(alms, dict) else ())
            if isinstance(one, dict)
        }
        return {name: one for name, one in found.items() if one is not None}

    def digest(self, name: str) -> str | None:
        """SHA-256 of a file's bytes."""
        path = self.root / name
        if not path.is_file():
            return None
        whole = hashlib.sha256()
        with path.open("rb") as opened:
            while block := opened.read(_BLOCK):
                whole.update(block)
        return whole.hexdigest()
