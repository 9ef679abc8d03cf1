"""The flow ``reannotate``: looks for new ALMs, tries each on a pilot, and promotes one if it is better.

Every candidate is tried in a separate process, on the train and development utterances with the most human
votes, spread over the speakers, and compared with the annotator in use by what its answers add once pooled with human
votes (models/annotator_registry/promotion.py). Each decision is a row
of the corpus's ledger; a candidate that fails is recorded and does not affect the others. After a promotion the
pipeline is brought up to date (only what depends on the annotator), and fine-tuning is queued.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from prefect import get_run_logger, tags, task
from prefect.client.schemas.objects import State
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.states import Completed

from ambivox.flows.annotators import LEDGER, corpus_lock, current_annotator
from ambivox.flows.flow_decorator import flow
from ambivox.flows.hosted_consent import hosted_budget
from ambivox.flows.promotions import complete, end, record
from ambivox.flows.reannotate_artifacts import publish_decisions
from ambivox.flows.reannotate_pilots import Engine, PilotRunner
from ambivox.models.annotator_registry import watch
from ambivox.models.annotator_registry.candidate import Candidate, SourceError
from ambivox.models.annotator_registry.decision import Verdict, best_trial, decided_entries
from ambivox.models.annotator_registry.ledger import Entry, Ledger
from ambivox.models.annotator_registry.trial import Trial
from ambivox.models.errors import UserError
from ambivox.models.prompting.hosted_spec import shutdown_notice

_MATRIX_DEPLOYMENT = "finetune-matrix/finetune-matrix"
_APPROVAL_TIMEOUT_SECONDS = 7 * 24 * 3600


class Approval(RunInput):
    """The form that a person fills in before a promotion, when the flow requires approval."""

    promote: bool = True
    who: str = ""


def _is_source_error(_task: Any, _run: Any, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), SourceError)


@task(
    retries=2,
    retry_delay_seconds=[2, 10],
    retry_condition_fn=_is_source_error,
    task_run_name="list {source}",
)
def list_candidates(source: str) -> list[Candidate]:
    """List what one source offers."""
    return watch.list_candidates(source)


@flow(name="reannotate", flow_run_name="reannotate {corpus}")
def reannotate(
    project: str = ".",
    corpus: str = "demo",
    sources: tuple[str, ...] = (),
    pilot_size: int = 200,
    margin: float = 0.005,
    require_approval: bool = False,
    engine: Engine = "auto",
    orders: int = 6,
    timeout_seconds: float = 3600,
    max_usd_per_vote: float | None = None,
    after_promotion: Literal["reproduce", "nothing"] = "reproduce",
    seed: int = 0,
) -> State[Any]:
    """Look for new ALMs and promote one if it is better.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus of params.yaml that is annotated.
        sources: Where ALMs appear: hub:author=NAME, hub:collection=SLUG, hub:filter=TAG, folder:PATH, s3://BUCKET/PREFIX,
            models:URL (the list of models of a provider; the corpus must be marked with allow_hosted).
        pilot_size: How many utterances a candidate is tried on: of each speaker, those with the most human votes.
        margin: How much better (nll, nats per human vote) the votes pooled with a candidate must be than those pooled
            with the annotator in use; the gain must also be significant over speakers.
        require_approval: Wait for a person's approval in the UI before a promotion.
        engine: What runs the ALMs.
        orders: Balanced option orders of the pilot.
        timeout_seconds: Time limit per candidate, downloading included.
        max_usd_per_vote: A hosted ALM is not promoted where an equivalent vote costs more (US dollars), for example more
            than a human vote; what annotating the corpus may cost is annotate.max_cost in params.yaml.
        after_promotion: Bring the pipeline up to date and queue fine-tuning, or leave that to the schedule.
        seed: Seed of the folds and of the drawing of votes.

    Returns:
        A completed state: Promoted, Completed (nothing was better), NothingNew, or AlreadyRunning.

    Raises:
        UserError: A malformed source, or a corpus that was not ingested.
        SourceError: None of the sources answered.
    """
    root = Path(project).resolve()
    with corpus_lock(root, corpus) as acquired:
        if not acquired:
            return Completed(
                name="AlreadyRunning", message=f"another run for {corpus} is in progress on this machine"
            )
        ledger = Ledger(root / "data" / corpus / LEDGER)
        if (completed := complete(root, corpus, ledger)) is not None:
            get_run_logger().warning(
                "the promotion of %s was interrupted; it is complete now", completed.short_name
            )
        listed = _listed(sources)
        candidates = [found for found in listed if not ledger.is_known(found)]
        current = current_annotator(root, corpus)
        if notice := _shutdown_notice(current, listed):
            get_run_logger().warning(notice)
        if current is not None:
            candidates = [found for found in candidates if not _is_same(found, current)]
        tried = [*candidates, *([current] if current and candidates else [])]
        is_hosted = any(found.is_hosted for found in tried)
        budget = hosted_budget(root, corpus, max_usd_per_vote) if is_hosted else None
        if not candidates and completed is None:
            publish_decisions(corpus, ledger, [], notice)
            return Completed(name="NothingNew", message="no new ALM or version")
        promoted, entries = None, list[Entry]()
        if candidates:
            with tags(f"corpus:{corpus}", "step:reannotate"):
                runner = PilotRunner(
                    root, corpus, pilot_size, engine, orders, timeout_seconds, margin, seed, budget
                )
                trials = runner.trials(candidates, current, ledger)
            promoted, entries = decide(trials, require_approval, margin)
            record(root, corpus, ledger, entries, promoted)
        publish_decisions(corpus, ledger, entries, "" if promoted else notice)
    promoted = promoted or completed
    if promoted is not None and after_promotion == "reproduce":
        _reproduce_and_queue_finetuning(project, corpus)
    end(root, corpus)
    summary = "\n".join(str(entry) for entry in entries) or "an interrupted promotion was completed"
    return Completed(name="Promoted" if promoted else "Completed", message=summary)


def _listed(sources: tuple[str, ...]) -> list[Candidate]:
    """What the sources offer, without repetitions. A source that is down is skipped, unless all are."""
    if not sources:
        raise UserError(
            "no sources to watch; expected one or more of hub:author=NAME, folder:PATH, s3://BUCKET/PREFIX, models:URL"
        )
    candidates: list[Candidate] = []
    errors: list[str] = []
    for source in sources:
        state = list_candidates(source, return_state=True)
        result = state.result(raise_on_failure=False)
        if isinstance(result, SourceError):
            get_run_logger().warning("skipped: %s", result)
            errors.append(str(result))
        elif isinstance(result, Exception):
            raise result
        else:
            candidates += result
    if len(errors) == len(sources):
        raise SourceError(f"none of the sources answered: {'; '.join(errors)}")
    return list({(found.alm, found.version): found for found in candidates}.values())


def _is_same(found: Candidate, current: Candidate) -> bool:
    """Whether a candidate is the annotator in use; a hosted one is known by its name and address."""
    if current.is_hosted:
        return (found.alm, found.server) == (current.alm, current.server)
    return found.version == current.version


def _shutdown_notice(current: Candidate | None, listed: list[Candidate]) -> str:
    """A warning where the provider of the annotator in use is about to shut it down, by its list or by models/alms/."""
    if current is None or not current.is_hosted:
        return ""
    days = [found.shutdown for found in listed if _is_same(found, current) and found.shutdown] or [
        current.shutdown
    ]
    day = date.fromisoformat(days[0]) if days[0] else None
    return shutdown_notice(current.alm, day, datetime.now(UTC).date())


def decide(
    trials: Sequence[Trial], require_approval: bool, margin: float = 0.0
) -> tuple[Candidate | None, list[Entry]]:
    """Choose the best of the better candidates, after approval if required.

    Args:
        trials: One round of trials.
        require_approval: Pause the flow run until a person has answered.
        margin: ALMs whose nll differs by less are equally good; the cheaper one is chosen.

    Returns:
        The promoted candidate, if any, and every trial's ledger entry with its decision.
    """
    best = best_trial(trials, margin)
    verdict = Verdict()
    if best is not None and require_approval:
        form = Approval.with_initial_data(description=f"Promote {best.entry}?", promote=True)
        answer = pause_flow_run(wait_for_input=form, timeout=_APPROVAL_TIMEOUT_SECONDS)
        person = answer.who or "a person"
        verdict = Verdict(answer.promote, f"{'approved' if answer.promote else 'declined'} by {person}")
    entries = decided_entries(trials, verdict, margin)
    return (best.candidate if best is not None and verdict.promote else None), entries


def _reproduce_and_queue_finetuning(project: str, corpus: str) -> None:
    """Annotate, pool and validate with the new annotator; queue the fine-tuning matrix."""
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound

    from ambivox.flows.reproduce import reproduce

    reproduce(project=project, corpora=(corpus,), steps=("annotate", "pool", "validate"))
    parameters = {"project": project, "corpora": [corpus]}
    try:
        run_deployment(_MATRIX_DEPLOYMENT, parameters=parameters, timeout=0, as_subflow=False)
        get_run_logger().info("fine-tuning queued: %s", _MATRIX_DEPLOYMENT)
    except ObjectNotFound:
        get_run_logger().warning(
            "fine-tuning is not queued: there is no deployment %s; run: prefect deploy --all",
            _MATRIX_DEPLOYMENT,
        )
