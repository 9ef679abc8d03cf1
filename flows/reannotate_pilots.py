"""The pilots of one run of ``reannotate``: the annotator in use first, then every candidate, each a Prefect task."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from prefect import task

from ambivox.flows.pilot_process import PilotFailedError, PilotRequest, run_pilot
from ambivox.models.annotator_registry.budget import Budget
from ambivox.models.annotator_registry.candidate import Candidate
from ambivox.models.annotator_registry.ledger import Ledger
from ambivox.models.annotator_registry.trial import Baseline, Pilot, Trial
from ambivox.models.errors import UserError

Engine = Literal["auto", "vllm", "server", "transformers", "fake"]


def alm_cache(project: Path) -> Path:
    """Where a project keeps the ALMs that it downloaded."""
    return project / ".ambivox" / "alms"


@task(task_run_name="pilot {request.candidate.short_name}")
def pilot(request: PilotRequest, timeout_seconds: float, project: str) -> str:
    """Have one ALM annotate the pilot; returns its revision."""
    return run_pilot(request, timeout_seconds, Path(project))


@dataclass(frozen=True)
class PilotRunner:
    """What all pilots of one run share: the arguments of the flow ``reannotate``, and what hosted ALMs may cost."""

    project: Path
    corpus: str
    pilot_size: int
    engine: Engine
    orders: int
    timeout_seconds: float
    margin: float
    seed: int
    budget: Budget | None = None

    def trials(self, candidates: list[Candidate], current: Candidate | None, ledger: Ledger) -> list[Trial]:
        """Try the annotator in use and every candidate on one pilot.

        Args:
            candidates: The ALMs to try.
            current: The annotator in use, their baseline; the votes without an ALM where there is none.
            ledger: Where the annotator in use is entered if it is not there yet.

        Returns:
            One trial per candidate, in the same order.

        Raises:
            UserError: The corpus was not ingested, or its pilot has no human votes.
            PilotFailedError: The annotator in use cannot be tried; there is nothing to compare with.
        """
        ingested = self.project / "data" / self.corpus / "ingest"
        pilot_data = Pilot.read(self.corpus, ingested, self.pilot_size)
        pilot_data.utterances.write(self._folder / "utterances.parquet")
        baseline = self._baseline(pilot_data, current, ledger)
        known = ledger.revisions()
        number = ledger.trials()
        trials = []
        for candidate in candidates:
            trial = self._trial(pilot_data, candidate, baseline, known, number + 1)
            number += trial.entry.gain is not None
            if trial.entry.revision:
                known.setdefault(trial.entry.revision, candidate.alm)
            trials.append(trial)
        return trials

    @property
    def _folder(self) -> Path:
        return self.project / ".ambivox" / "pilots" / self.corpus

    def _baseline(self, pilot_data: Pilot, current: Candidate | None, ledger: Ledger) -> Baseline:
        prior = pilot_data.prior()
        if current is None:
            return prior
        started = time.monotonic()
        revision = self._annotate(current, known={})
        out = self._out(current)
        if not ledger.is_known(current):
            trial = pilot_data.score(current, revision, out, prior, margin=self.margin, seed=self.seed)
            ledger.append(
                replace(
                    trial.entry,
                    decision="initial",
                    reason="in use before this run",
                    seconds=time.monotonic() - started,
                )
            )
        return pilot_data.answers_of(current, out)

    def _trial(
        self,
        pilot_data: Pilot,
        candidate: Candidate,
        baseline: Baseline,
        known: dict[str, str],
        number: int,
    ) -> Trial:
        started = time.monotonic()
        try:
            revision = self._annotate(candidate, known)
            if revision in known:
                trial = pilot_data.recognise(candidate, revision, known[revision], baseline)
            else:
                out = self._out(candidate)
                trial = pilot_data.score(
                    candidate,
                    revision,
                    out,
                    baseline,
                    margin=self.margin,
                    seed=self.seed,
                    number=number,
                    budget=self.budget,
                )
        except (PilotFailedError, UserError) as error:
            trial = pilot_data.fail(candidate, str(error), baseline)
        return replace(trial, entry=replace(trial.entry, seconds=time.monotonic() - started))

    def _annotate(self, candidate: Candidate, known: dict[str, str]) -> str:
        request = PilotRequest(
            candidate,
            utterances=str((self._folder / "utterances.parquet").resolve()),
            out=str(self._out(candidate).resolve()),
            store=str(self.project / ".ambivox" / "store"),
            cache=str(alm_cache(self.project)),
            engine=self.engine,
            orders=self.orders,
            max_cost=self.budget.max_cost if self.budget else None,
            known_revisions=tuple(known),
        )
        state = pilot(request, self.timeout_seconds, str(self.project), return_state=True)
        result = state.result(raise_on_failure=False)
        if state.is_completed():
            return str(result)
        raise result if isinstance(result, PilotFailedError) else PilotFailedError(str(result))

    def _out(self, candidate: Candidate) -> Path:
        return self._folder / candidate.folder_name
