"""The flow ``reproduce``: brings the recorded pipeline up to date, stage by stage, in Prefect's sight.

Each stage is one task, tagged with its corpus and step, retried with jitter where DVC's lock is held or the
stage failed for want of something that may come back; independent stages run side by side.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, cast

from prefect import flow, get_run_logger, tags, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture, wait
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import Task

from ambivox.flows.dashboard import publish_changes, publish_stage
from ambivox.flows.pipeline import LockHeldError, Stage, StageFailedError, reproduce_stage, stages
from ambivox.tasks._main import INTERRUPTED, USER_MISTAKE

# Not worth a second try: a user's mistake, Ctrl-C (as a code and as a signal).
_FINAL = {USER_MISTAKE, INTERRUPTED, -2}


def _worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    try:
        state.result()
    except LockHeldError:
        return True
    except StageFailedError as failed:
        return failed.exit_code not in _FINAL
    except Exception:  # noqa: BLE001  (whatever else went wrong is not the stage's doing)
        return False
    return False


@task(
    task_run_name="{stage.address}",
    retries=4,
    retry_delay_seconds=[2, 5, 10, 20],
    retry_jitter_factor=1.0,
    retry_condition_fn=_worth_retrying,
    persist_result=False,
)
def bring_up_to_date(stage: Stage, project: str, force: bool = False) -> State[Any]:
    """Run one stage if it is stale; publish its figures as artifacts either way."""
    logger = get_run_logger()
    if not (stage.stale or force):
        return Completed(name="UpToDate", message="Nothing it depends on has changed")
    print(f"── {stage.address}", flush=True)
    started = time.monotonic()
    reproduce_stage(
        Path(project),
        stage.address,
        force,
        on_log=lambda level, message: logger.log(logging.getLevelName(level), "%s", message),
    )
    seconds = time.monotonic() - started
    logger.info("%s took %.1f s", stage.address, seconds)
    publish_stage(stage, Path(project), seconds)
    return Completed(message=f"Brought up to date in {seconds:.1f} s")


def side_by_side(workers: int) -> TaskRunner[PrefectFuture[Any]]:
    """A task runner that runs up to ``workers`` independent stages at once, each in a thread that waits for DVC."""
    return cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=workers))


def _run_name() -> str:
    corpora = flow_run.parameters.get("corpora") or ("all corpora",)
    return f"reproduce {', '.join(corpora)}"


@flow(name="reproduce", flow_run_name=_run_name, task_runner=side_by_side(2))
def reproduce(
    project: str = ".", corpora: tuple[str, ...] = (), steps: tuple[str, ...] = (), force: bool = False
) -> dict[str, int]:
    """Bring the pipeline of ``project`` up to date.

    Args:
        project: The folder that holds dvc.yaml.
        corpora: Which corpora of params.yaml; all, if none is named.
        steps: Stop after these steps; all, if none is named.
        force: Run every stage, stale or not.

    Returns:
        How many stages were run and how many were up to date already.

    Raises:
        StageFailedError: a stage failed for good; the stages that do not wait for it were still run.
    """
    todo = stages(Path(project), corpora, steps)
    futures: dict[str, PrefectFuture[Any]] = {}
    for stage in todo:
        waits_for = [futures[address] for address in stage.upstream]
        given = {"stage": stage, "project": project, "force": force}
        with tags(f"corpus:{stage.corpus}", f"step:{stage.step}"):
            futures[stage.address] = bring_up_to_date.submit(**given, wait_for=waits_for)  # type: ignore[call-overload]
    wait(list(futures.values()))
    for future in futures.values():
        if future.state.is_failed() or future.state.is_crashed():
            future.result()
    ran = sum(stage.stale or force for stage in todo)
    for corpus in sorted({stage.corpus for stage in todo if stage.stale or force}):
        publish_changes(Path(project), corpus)
    return {"ran": ran, "up_to_date": len(todo) - ran}
