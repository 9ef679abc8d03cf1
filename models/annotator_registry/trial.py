"""A candidate's trial: its answers on the pilot, scored against a baseline, as a ledger entry without a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.annotation.checks_file import read_checks
from ambivox.models.annotator_registry.budget import Budget
from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.annotator_registry.ledger import Entry
from ambivox.models.annotator_registry.promotion import (
    compare,
    level_of_trial,
    mean_answers,
    objections,
    pilot_utterances,
)
from ambivox.models.tables import Annotations, Utterances, Votes


@dataclass(frozen=True)
class Baseline:
    """What candidates are compared with: its name and its distributions ``q_NK`` on the pilot; None without an ALM."""

    name: str
    q_NK: np.ndarray | None


@dataclass(frozen=True)
class Trial:
    """A candidate, its ledger entry ("rejected" until decided otherwise), and whether it may be promoted."""

    candidate: Candidate
    entry: Entry
    better: bool


@dataclass(frozen=True)
class Pilot:
    """The utterances and human votes that candidates for a corpus are tried on."""

    corpus: str
    utterances: Utterances
    votes: Votes

    @classmethod
    def read(cls, corpus: str, ingested: Path, size: int) -> Pilot:
        """The pilot of a corpus, from the tables of its stage ``ingest``.

        Args:
            corpus: The corpus's key.
            ingested: The folder of utterances.parquet and votes.parquet.
            size: How many utterances.

        Raises:
            UserError: Tables that are missing, or without human votes in the pilot's splits.
        """
        utterances = Utterances.read(ingested / "utterances.parquet")
        votes = Votes.read(ingested / "votes.parquet")
        return cls(corpus, pilot_utterances(utterances, votes, size), votes)

    def prior(self) -> Baseline:
        """The baseline where a corpus has no annotator yet: the votes pooled with the mixture, without an ALM."""
        return Baseline("votes without an ALM", None)

    @property
    def votes_in_use(self) -> float:
        """The median number of human votes of the corpus's utterances that have any."""
        votes = self.votes.frame.filter(pl.col("annotator_kind") == "human")
        return float(
            np.median(votes.group_by("utterance_id").agg(pl.col("weight").sum())["weight"].to_numpy())
        )

    def answers_of(self, candidate: Candidate, out: Path) -> Baseline:
        """A candidate's own answers as a baseline, from the tables of ``annotate`` in ``out``."""
        annotations = Annotations.read(out / "annotations.parquet")
        q_NK = mean_answers(annotations, self.utterances.frame["utterance_id"])
        return Baseline(candidate.short_name, q_NK)

    def score(
        self,
        candidate: Candidate,
        revision: str,
        out: Path,
        baseline: Baseline,
        *,
        margin: float,
        seed: int,
        number: int = 1,
        budget: Budget | None = None,
    ) -> Trial:
        """Score a candidate's answers against a baseline.

        Args:
            candidate: The candidate.
            revision: Its revision, known once it was loaded.
            out: The folder with its annotations.parquet and checks.json.
            baseline: What it is compared with.
            margin: The gain that it needs, in nll (nats per vote).
            seed: Seed of the folds and of the drawing of votes.
            number: How many trials of the corpus this makes, for the level of the test.
            budget: What a hosted ALM may cost; None without a limit.

        Returns:
            The trial; the entry's reason is the objections, empty where there are none.
        """
        annotations = Annotations.read(out / "annotations.parquet")
        checks = read_checks(out / "checks.json")
        audio_sensitive = checks.get("audio_sensitive")
        cost = _cost(checks)
        q_NK = mean_answers(annotations, self.utterances.frame["utterance_id"])
        comparison = compare(
            self.votes,
            self.utterances,
            q_NK,
            baseline.q_NK,
            votes_in_use=self.votes_in_use,
            level=level_of_trial(number),
            seed=seed,
        )
        label_mass = annotations.frame["label_mass"].drop_nulls().to_numpy()
        reasons = objections(annotations, audio_sensitive)
        if cost and budget is not None:
            reasons += budget.objections(cost / len(self.utterances), comparison.equivalent_votes)
        entry = replace(
            self._entry(candidate, revision, baseline),
            reason="; ".join(reasons),
            nll=comparison.nll_candidate,
            baseline_nll=comparison.nll_baseline,
            level=comparison.level,
            js=comparison.js_candidate,
            baseline_js=comparison.js_baseline,
            gain=comparison.gain.value,
            gain_low=comparison.gain.low,
            gain_high=comparison.gain.high,
            label_mass=float(label_mass.mean()) if len(label_mass) else None,
            refusal_rate=float(annotations.frame["refused"].to_numpy().mean()) if len(annotations) else None,
            audio_sensitive=audio_sensitive,
            cost_usd=cost,
            equivalent_votes=comparison.equivalent_votes,
            votes_per_dollar=comparison.equivalent_votes * len(self.utterances) / cost if cost else None,
        )
        return Trial(candidate, entry, not reasons and comparison.better_by(margin))

    def fail(self, candidate: Candidate, reason: str, baseline: Baseline) -> Trial:
        """The trial of a candidate that could not be loaded, crashed, or took too long."""
        entry = replace(self._entry(candidate, "", baseline), decision="failed", reason=reason)
        return Trial(candidate, entry, better=False)

    def recognise(self, candidate: Candidate, revision: str, known_as: str, baseline: Baseline) -> Trial:
        """The trial of a candidate that turned out, once downloaded, to be an ALM that was decided on before."""
        entry = self._entry(candidate, revision, baseline)
        reason = f"the same weights as {known_as}"
        return Trial(candidate, replace(entry, decision="duplicate", reason=reason), better=False)

    def _entry(self, candidate: Candidate, revision: str, baseline: Baseline) -> Entry:
        return Entry(
            decided_at=datetime.now(UTC),
            corpus=self.corpus,
            alm=candidate.alm,
            version=candidate.version,
            source=candidate.source,
            decision="rejected",
            reason="",
            baseline=baseline.name,
            pilot_utterances=len(self.utterances),
            location=candidate.location,
            revision=revision,
            shutdown=candidate.shutdown,
        )


def _cost(checks: Mapping[str, Any]) -> float | None:
    """What a pilot cost (US dollars); None for an ALM that ran here, or whose prices are not known."""
    hosted = checks.get("hosted")
    cost = hosted.get("cost_usd") if isinstance(hosted, Mapping) else None
    return float(cost) if isinstance(cost, int | float) else None
