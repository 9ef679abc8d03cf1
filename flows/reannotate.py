"""The flow ``reannotate``: looks for ALMs not seen before, tries each on a pilot, and promotes the one that is better.

Every candidate is tried in a process of its own, on the train and development utterances with the most human
votes, and compared with the annotator that stands by a paired bootstrap over speakers. Each decision is a row
of the corpus's ledger; a candidate that fails is recorded and disturbs nothing. After a promotion the
pipeline is brought up to date (only what the new annotator changes), and fine-tuning is queued.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from prefect import flow, get_run_logger, tags, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.states import Completed

from ambivox.flows import annotators
from ambivox.flows.pilot_process import Pilot, PilotFailedError, run
from ambivox.models.annotator_registry.ledger import Decision, Entry, Ledger
from ambivox.models.annotator_registry.watch import Candidate, SourceError, candidates, fetch
from ambivox.models.errors import UserError

Engine = Literal["auto", "vllm", "server", "transformers", "fake"]
_MATRIX = "finetune-matrix/finetune-matrix"


class Approval(RunInput):
    """What a person is asked before a promotion, when the flow was told to ask."""

    promote: bool = True
    who: str = ""


@dataclass(frozen=True)
class Trial:
    """A candidate's pilot: its ledger entry (still undecided) and, where it went well, whether it is better."""

    candidate: Candidate
    entry: Entry
    better: bool


def _may_come_back(_task: Any, _run: Any, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), SourceError)


@task(
    retries=2, retry_delay_seconds=[2, 10], retry_condition_fn=_may_come_back, task_run_name="look {source}"
)
def look(source: str) -> list[Candidate]:
    """Ask one source what it holds."""
    return candidates(source)


@task(task_run_name="pilot {candidate.short}")
def answer(candidate: Candidate, pilot: Pilot, timeout_seconds: float, project: str) -> str:  # noqa: ARG001  (names the run)
    """Have one annotator answer the pilot; returns the folder of its answers."""
    run(pilot, timeout_seconds, Path(project))
    return pilot.out


@flow(name="reannotate", flow_run_name="reannotate {corpus}")
def reannotate(
    project: str = ".",
    corpus: str = "demo",
    sources: tuple[str, ...] = (),
    pilot_size: int = 200,
    margin: float = 0.005,
    ask_a_person: bool = False,
    engine: Engine = "auto",
    orders: int = 2,
    timeout_seconds: float = 3600,
    then: Literal["reproduce", "nothing"] = "reproduce",
    seed: int = 0,
) -> State[Any]:
    """Look for new ALMs and promote one if it is better.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus of params.yaml that is annotated.
        sources: Where ALMs appear: hub:author=NAME, hub:collection=SLUG, hub:filter=TAG, folder:PATH, s3://BUCKET/PREFIX.
        pilot_size: How many utterances (those with the most human votes) a candidate is tried on.
        margin: By how much (JS, base 2) a candidate must be closer to the humans than what stands.
        ask_a_person: Wait for a person's approval in the UI before a promotion.
        engine: What runs the ALMs.
        orders: Balanced option orders of the pilot.
        timeout_seconds: How long one candidate may take, downloading included.
        then: After a promotion, bring the pipeline up to date and queue fine-tuning, or leave that to the schedule.
        seed: Of the bootstrap.

    Raises:
        UserError: a mistyped source, or a corpus that was not ingested.
        SourceError: none of the sources answered.
    """
    here = Path(project).resolve()
    with annotators.alone(here, corpus) as first:
        if not first:
            return Completed(
                name="AlreadyRunning", message=f"Another run looks after {corpus} on this machine"
            )
        ledger = Ledger(here / "data" / corpus / annotators.LEDGER)
        found = _new(sources, ledger)
        if not found:
            _publish(corpus, ledger, "Nothing new.")
            return Completed(name="NothingNew", message="No ALM or revision that was not seen before")
        with tags(f"corpus:{corpus}", "step:reannotate"):
            setting = _Setting(here, corpus, pilot_size, engine, orders, timeout_seconds, margin, seed)
            trials = setting.trials(found, ledger)
        promoted, entries = _decide(trials, ask_a_person)
        ledger.append(*entries)
        if promoted is not None:
            annotators.install(here, corpus, fetch(promoted, _cache(here)))
        annotators.track(here, ledger.path)
        said = _story(entries)
        _publish(corpus, ledger, said)
    if promoted is not None and then == "reproduce":
        _carry_on(project, corpus)
    return Completed(name="Promoted" if promoted else "Completed", message=said)


def _cache(project: Path) -> Path:
    return project / ".ambivox" / "alms"


def _new(sources: tuple[str, ...], ledger: Ledger) -> list[Candidate]:
    """What the sources hold and the ledger has not seen. A source that is down is skipped, unless all are."""
    if not sources:
        raise UserError(
            "no sources to watch; expected one or more of hub:author=NAME, folder:PATH, s3://BUCKET/PREFIX"
        )
    found: list[Candidate] = []
    silent: list[str] = []
    for source in sources:
        state = look(source, return_state=True)
        if state.is_completed():
            found += state.result()
            continue
        error = state.result(raise_on_failure=False)
        if not isinstance(error, SourceError):
            raise error if isinstance(error, Exception) else RuntimeError(str(error))
        get_run_logger().warning("skipped: %s", error)
        silent.append(str(error))
    if len(silent) == len(sources):
        raise SourceError(f"none of the sources answered: {'; '.join(silent)}")
    once = {(one.alm, one.revision): one for one in found}
    return [one for one in once.values() if not ledger.seen(one.alm, one.revision)]


@dataclass(frozen=True)
class _Setting:
    """What all trials of one run share."""

    project: Path
    corpus: str
    pilot_size: int
    engine: Engine
    orders: int
    timeout_seconds: float
    margin: float
    seed: int

    def trials(self, found: list[Candidate], ledger: Ledger) -> list[Trial]:
        """Try what stands, then every candidate, on one pilot."""
        from ambivox.models.annotator_registry.promotion import answers, pilot, prior
        from ambivox.models.tables import Annotations, Utterances, Votes

        ingested = self.project / "data" / self.corpus / "ingest"
        utterances, votes = (
            Utterances.read(ingested / "utterances.parquet"),
            Votes.read(ingested / "votes.parquet"),
        )
        tried = pilot(utterances, votes, self.pilot_size)
        folder = self.project / ".ambivox" / "pilots" / self.corpus
        tried.write(folder / "utterances.parquet")
        ids = tried.frame["utterance_id"]
        stands = annotators.standing(self.project, self.corpus)
        baseline, name = prior(votes, ids), "the corpus prior"
        if stands is not None:
            given = Annotations.read(Path(self._answer(stands, folder)) / "annotations.parquet")
            baseline, name = answers(given, ids), stands.short
            if not ledger.seen(stands.alm, stands.revision):
                ledger.append(
                    self._entry(
                        stands,
                        folder,
                        votes,
                        tried,
                        prior(votes, ids),
                        "the corpus prior",
                        time.monotonic(),
                        "standing",
                    )
                )
        made = []
        for candidate in found:
            started = time.monotonic()
            try:
                self._answer(candidate, folder)
                entry = self._entry(candidate, folder, votes, tried, baseline, name, started)
            except (PilotFailedError, UserError) as error:
                seconds = time.monotonic() - started
                entry = Entry(
                    datetime.now(UTC),
                    self.corpus,
                    candidate.alm,
                    candidate.revision,
                    candidate.source,
                    "failed",
                    str(error),
                    name,
                    len(tried),
                    seconds=seconds,
                    location=candidate.location,
                )
            better = not entry.reason and (entry.gain or 0) >= self.margin and (entry.gain_low or 0) > 0
            made.append(Trial(candidate, entry, better))
        return made

    def _answer(self, candidate: Candidate, folder: Path) -> str:
        out = folder / f"{candidate.short.replace('@', '-')}-{candidate.revision[8:16]}"
        pilot = Pilot(
            candidate,
            str((folder / "utterances.parquet").resolve()),
            str(out.resolve()),
            str(self.project / ".ambivox" / "store"),
            str(_cache(self.project)),
            self.engine,
            self.orders,
        )
        state = answer(candidate, pilot, self.timeout_seconds, str(self.project), return_state=True)
        if not state.is_completed():
            error = state.result(raise_on_failure=False)
            raise error if isinstance(error, PilotFailedError) else PilotFailedError(str(error))
        return str(out)

    def _entry(
        self,
        candidate: Candidate,
        folder: Path,
        votes: Any,
        tried: Any,
        baseline: Any,
        name: str,
        started: float,
        decision: Decision = "rejected",
    ) -> Entry:
        """The ledger entry of a pilot that went through; ``reason`` holds what speaks against trusting it."""
        from ambivox.models.annotation.checks_file import read_checks
        from ambivox.models.annotator_registry.promotion import answers, compare, objections
        from ambivox.models.tables import Annotations

        out = folder / f"{candidate.short.replace('@', '-')}-{candidate.revision[8:16]}"
        given = Annotations.read(out / "annotations.parquet")
        checks = read_checks(out / "checks.json")
        found = compare(votes, tried, answers(given, tried.frame["utterance_id"]), baseline, self.seed)
        mass = given.frame["label_mass"].drop_nulls().to_numpy()
        against = (
            objections(given, checks.get("audio_sensitive"))
            if decision != "standing"
            else ["in use when the ledger began"]
        )
        return Entry(
            datetime.now(UTC),
            self.corpus,
            candidate.alm,
            candidate.revision,
            candidate.source,
            decision,
            "; ".join(against),
            name,
            found.utterances,
            found.js_candidate,
            found.js_current,
            found.gain.value,
            found.gain.low,
            found.gain.high,
            float(mass.mean()) if len(mass) else None,
            float(given.frame["refused"].to_numpy().mean()) if len(given) else None,
            checks.get("audio_sensitive"),
            time.monotonic() - started,
            candidate.location,
        )


def _decide(trials: list[Trial], ask_a_person: bool) -> tuple[Candidate | None, list[Entry]]:
    """The best of those that are better, approved where asked; and everyone's entry with its decision."""
    from dataclasses import replace

    better = sorted((trial for trial in trials if trial.better), key=lambda trial: trial.entry.js or 0)
    best = better[0] if better else None
    decision: Decision = "promoted"
    reason = "better than what stood"
    if best is not None and ask_a_person:
        asked = pause_flow_run(
            wait_for_input=Approval.with_initial_data(
                description=f"Promote {_sentence(best.entry)}?", promote=True
            ),
            timeout=7 * 24 * 3600,
        )
        decision = "promoted" if asked.promote else "declined"
        reason = f"{'approved' if asked.promote else 'declined'} by {asked.who or 'a person'}"
    entries = []
    for trial in trials:
        entry = trial.entry
        if trial is best:
            entry = replace(entry, decision=decision, reason=reason)
        elif trial.better and best is not None:
            entry = replace(
                entry, reason=f"better than what stands, but {best.candidate.short} is better still"
            )
        elif not entry.reason:
            entry = replace(entry, reason="not better than what stands by the margin")
        entries.append(entry)
    # The promoted one last: the ledger's last promotion is what stands.
    entries.sort(key=lambda entry: entry.decision == "promoted")
    return (best.candidate if best is not None and decision == "promoted" else None), entries


def _sentence(entry: Entry) -> str:
    name = f"{entry.alm}@{entry.revision[:8]}"
    if entry.js is None or entry.gain is None or entry.gain_low is None or entry.gain_high is None:
        return f"{name}: {entry.decision}, {entry.reason}"
    return (
        f"{name}: {entry.decision} ({entry.reason}); JS {entry.js:.3f} against {entry.js_against:.3f} of {entry.against} "
        f"on {entry.pilot_utterances} utterances, gain {entry.gain:+.3f} [{entry.gain_low:+.3f}, {entry.gain_high:+.3f}]"
    )


def _story(entries: list[Entry]) -> str:
    return "\n".join(_sentence(entry) for entry in entries)


def _publish(corpus: str, ledger: Ledger, said: str) -> None:
    """The leaderboard and the last decisions, as artifacts of the flow run."""
    key = corpus.replace("_", "-")
    rows = [
        {
            name: (round(value, 4) if isinstance(value, float) else str(value))
            for name, value in row.items()
            if value is not None
        }
        for row in ledger.leaderboard().iter_rows(named=True)
    ]
    create_table_artifact(
        rows or [{"alm": "none yet"}],
        key=f"{key}-annotators",
        description=f"Annotators of {corpus}, best first (JS base 2 on the pilot)",
    )
    lines = "\n".join(f"- {line}" for line in said.splitlines())
    create_markdown_artifact(
        f"# Annotators of {corpus}\n\n{lines}", key=f"{key}-reannotate", description="What was decided last"
    )


def _carry_on(project: str, corpus: str) -> None:
    """Annotate, pool and validate with the new annotator; queue the rest."""
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound

    from ambivox.flows.reproduce import reproduce

    reproduce(project=project, corpora=(corpus,), steps=("annotate", "pool", "validate"))
    try:
        run_deployment(
            _MATRIX, parameters={"project": project, "corpora": [corpus]}, timeout=0, as_subflow=False
        )
        get_run_logger().info("fine-tuning queued: %s", _MATRIX)
    except ObjectNotFound:
        get_run_logger().warning(
            "fine-tuning is not queued: there is no deployment %s (prefect deploy --all)", _MATRIX
        )
