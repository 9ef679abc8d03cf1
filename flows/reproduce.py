"""The flow ``reproduce``: brings the pipeline up to date, one Prefect task per stage of dvc.yaml.

Each task is tagged with its corpus and step. It is retried with jitter while another process holds DVC's lock,
and after failures that may be transient. Independent stages run at the same time.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, cast

from prefect import get_run_logger, tags, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture, wait
from prefect.runtime import flow_run, task_run
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import Task

from ambivox.flows import run_records
from ambivox.flows.dashboard import publish_changes, publish_stage
from ambivox.flows.flow_decorator import flow
from ambivox.flows.pipeline import (
    LockHeldError,
    Stage,
    StageFailedError,
    announce,
    reproduce_stage,
    stages,
)
from ambivox.flows.run_history import publish_history, tag_run
from ambivox.flows.stage_runs import is_ending, planned
from ambivox.tasks._main import INTERRUPTED, TERMINATED, USER_MISTAKE

# Exit codes that are not retried: a user's mistake, Ctrl-C and SIGTERM (as codes and as signals).
_RETRIES = 4
_ENDING_SECONDS = 60.0
_NOT_RETRIED = {USER_MISTAKE, INTERRUPTED, TERMINATED, -2, -15}

# What steps measured, by flow run and corpus; tasks are threads of this process.
_figures: dict[tuple[str, str], dict[str, float]] = {}
_logger = logging.getLogger(__name__)


def _is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    try:
        state.result()
    except LockHeldError:
        return True
    except StageFailedError as failed:
        return failed.exit_code not in _NOT_RETRIED
    except Exception:  # noqa: BLE001  (any other error is a fault of this flow; a retry would not help)
        return False
    return False


@task(
    task_run_name="{stage.address}",
    retries=_RETRIES,
    retry_delay_seconds=[2, 5, 10, 20],
    retry_jitter_factor=1.0,
    retry_condition_fn=_is_transient,
    persist_result=False,
)
def bring_up_to_date(stage: Stage, project: str, force: bool = False) -> State[Any]:
    """Run one stage if it is stale or ``force`` is set, and publish its figures."""
    logger = get_run_logger()
    if not (stage.stale or force):
        return Completed(name="UpToDate", message="no dependency has changed")
    started = time.monotonic()

    def on_log(level: str, message: str, figures: dict[str, float]) -> None:
        if figures:
            _figures.setdefault((str(flow_run.id), stage.corpus), {}).update(figures)
        logger.log(logging.getLevelName(level), "%s", message)

    plan = planned()
    begun = plan.started.pop(stage.address, None) if plan else None
    try:
        if begun is not None:
            begun.wait(on_log)
        else:
            announce(stage)
            reproduce_stage(Path(project), stage.address, force, on_log)
    except StageFailedError as failed:
        if is_ending.is_set():
            # The process ends in a moment, and with it this thread.
            time.sleep(_ENDING_SECONDS)
        if failed.exit_code not in _NOT_RETRIED and task_run.run_count <= _RETRIES:
            _logger.warning(f"{failed}; it is tried again")
        raise
    seconds = time.monotonic() - started
    logger.info("%s took %.1f s", stage.address, seconds)
    publish_stage(stage, Path(project), seconds)
    return Completed(message=f"brought up to date in {seconds:.1f} s")


def thread_runner(workers: int) -> TaskRunner[PrefectFuture[Any]]:
    """A task runner for up to ``workers`` independent stages at the same time, each in a thread that waits for DVC."""
    return cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=workers))


def _run_name() -> str:
    corpora = flow_run.parameters.get("corpora") or ("all corpora",)
    return f"reproduce {', '.join(corpora)}"


@flow(name="reproduce", flow_run_name=_run_name, task_runner=thread_runner(2))
def reproduce(
    project: str = ".", corpora: tuple[str, ...] = (), steps: tuple[str, ...] = (), force: bool = False
) -> dict[str, int]:
    """Bring the pipeline of ``project`` up to date.

    Args:
        project: The folder that holds dvc.yaml.
        corpora: Which corpora of params.yaml; all, if none is named.
        steps: Run these steps and those that they depend on; all, if none is named.
        force: Run every stage, stale or not.

    Returns:
        How many stages were run and how many were up to date already.

    Raises:
        StageFailedError: A stage failed after all retries; stages that do not depend on it were still run.
    """
    started = time.monotonic()
    with run_records.recorded(Path(project), str(flow_run.id)):
        plan = planned()
        selected = list(plan.stages) if plan else stages(Path(project), corpora, steps)
        run_corpora = tuple(sorted({stage.corpus for stage in selected}))
        tag_run(Path(project), flow_run.id, run_corpora, set(flow_run.tags or ()))
        futures: dict[str, PrefectFuture[Any]] = {}
        for stage in selected:
            upstream = [futures[address] for address in stage.upstream]
            arguments = {"stage": stage, "project": project, "force": force}
            with tags(f"corpus:{stage.corpus}", f"step:{stage.step}"):
                futures[stage.address] = bring_up_to_date.submit(**arguments, wait_for=upstream)  # type: ignore[call-overload]  # Prefect's overloads
        wait(list(futures.values()))
        for future in futures.values():
            if future.state.is_failed() or future.state.is_crashed():
                future.result()
    ran = sum(stage.stale or force for stage in selected)
    for corpus in sorted({stage.corpus for stage in selected if stage.stale or force}):
        publish_changes(Path(project), corpus)
        stages_run = sum(stage.corpus == corpus and (stage.stale or force) for stage in selected)
        annotated = _figures.pop((str(flow_run.id), corpus), {})
        seconds = time.monotonic() - started
        publish_history(Path(project), corpus, str(flow_run.name), stages_run, seconds, annotated)
    return {"ran": ran, "up_to_date": len(selected) - ran}
