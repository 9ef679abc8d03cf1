"""The flow ``annotate``: fills the vote store shard by shard, in parallel, then runs the step, which writes the tables.

A shard is one mapped task of some hundreds of clips, retried independently; shards that are in the store are
skipped. Each worker process starts its engine once. With ``runner="ray"`` the shards run on a Ray cluster, one
GPU per worker.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from prefect import get_run_logger, task, unmapped
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from ambivox.flows.dashboard import annotation_summary
from ambivox.flows.flow_decorator import flow
from ambivox.flows.shard_runners import ShardRunner
from ambivox.models.processes.children import end_with_this_process
from ambivox.tasks.annotate import FIGURES, AnnotateOptions, options_by_alm, prepare_run
from ambivox.tasks.annotate import annotate as annotate_step

if TYPE_CHECKING:
    from ambivox.models.annotation.run import AnnotationRun

_PROGRESS_SECONDS = 1.0  # between two calls of the API that show it


@dataclass(frozen=True)
class AnnotationRequest:
    """What every shard of a run needs to know: the table, the ALM and the options."""

    utterances: str
    alm: str
    options: AnnotateOptions


@task(
    retries=3,
    retry_delay_seconds=[1, 5, 20],
    retry_jitter_factor=0.5,
    cache_policy=NO_CACHE,
    task_run_name="shard {number}",
)
def fill(number: int, request: AnnotationRequest) -> dict[str, float]:
    """Compute what a shard of the run lacks and store it."""
    began = time.monotonic()
    run = _prepared(request)
    missing = run.missing(run.shards[number])
    rejected = run.fill(missing)
    return {
        "clips": missing["audio_sha256"].n_unique(),
        "prompts": missing.height,
        "rejected": rejected.height,
        "seconds": round(time.monotonic() - began, 2),
    }


@flow(name="annotate", flow_run_name="annotate {utterances} by {alm}")
def annotate(
    utterances: str,
    alm: str,
    out: str,
    options: AnnotateOptions | None = None,
    workers: int = 1,
    runner: Literal["threads", "ray"] = "threads",
    ray_address: str = "",
    gpus_per_worker: float = 0.0,
    most_seconds_without_node: float = 600.0,
) -> str:
    """Annotate in parallel, with progress and retries.

    Args:
        utterances: The table of utterances.
        alm: A key in models/alms/, or a local model folder.
        out: Folder for the step's tables.
        options: Options of the step annotate; all workers must reach its vote store.
        workers: How many shards run at the same time. Threads of one process share one engine.
        runner: Threads of this process, or processes of a Ray cluster.
        ray_address: The cluster; empty starts one on this machine with ``workers`` processes.
        gpus_per_worker: GPUs that a Ray worker reserves.
        most_seconds_without_node: For so long the Ray cluster may run no shard.

    Returns:
        ``out``.

    Raises:
        UserError: A wrong setting. Shards that failed after all retries make the run fail once all others are stored.
        OutageError: There is no Ray cluster at the address, or none of its nodes could run a shard for too long.
    """
    end_with_this_process()
    options = options or AnnotateOptions()
    shard_runner = ShardRunner(
        kind=runner,
        workers=workers,
        ray_address=ray_address,
        gpus_per_worker=gpus_per_worker,
        most_seconds_without_node=most_seconds_without_node,
    )
    for asked, own in options_by_alm(alm, options):
        request = AnnotationRequest(utterances, asked, own)
        run = _prepared(request)
        numbers = [number for number, items in enumerate(run.missing_by_shard()) if items.height]
        get_run_logger().info(
            "%s: %d of %d shards are not in the store yet", asked, len(numbers), len(run.shards)
        )
        # The step asks a hosted ALM itself, many requests at a time: with its estimate, consent, pilot and limit of cost.
        if numbers and run.hosted is None:
            _fill_all(numbers, request, shard_runner)
    annotate_step(utterances=Path(utterances), alm=alm, out=Path(out), options=options)
    if not (Path(out) / FIGURES).is_file():
        return out  # a dry run
    _summarise(Path(out))
    return out


def _fill_all(numbers: list[int], request: AnnotationRequest, runner: ShardRunner) -> None:
    began = shown = time.monotonic()
    progress = create_progress_artifact(0.0, key="annotate-progress", description="starting the engine")
    assert isinstance(progress, UUID)  # in a flow that is not async
    failed: list[BaseException] = []
    done = 0
    clips = 0.0
    with runner.running() as task_runner:
        shard: Any = fill
        futures = task_runner.map(shard, {"number": numbers, "request": unmapped(request)})
        for future in runner.completed(futures):
            done += 1
            future.wait()  # turns what a worker that was lost raises into the state of its shard
            result = future.result(raise_on_failure=False)
            if isinstance(result, BaseException):
                failed.append(result)
            else:
                clips += result["clips"]
            if done < len(numbers) and time.monotonic() - shown < _PROGRESS_SECONDS:
                continue
            shown = time.monotonic()
            seconds = shown - began
            left = seconds / done * (len(numbers) - done)
            description = (
                f"{done}/{len(numbers)} shards, {clips / seconds:.1f} utterances/s, {left:.0f} s left"
            )
            update_progress_artifact(progress, 100 * done / len(numbers), description=description)
    if failed:
        raise failed[0]


def _summarise(out: Path) -> None:
    rows = annotation_summary(json.loads((out / FIGURES).read_text(encoding="utf-8")))
    table = [{"what": what, "value": "none" if value is None else str(value)} for what, value in rows]
    create_table_artifact(table=table, key="annotate-summary", description="Summary of the annotation run")


@lru_cache(maxsize=1)
def _prepared(request: AnnotationRequest) -> AnnotationRun:
    """The run, planned once per process however many shards it fills."""
    return prepare_run(Path(request.utterances), request.alm, request.options)
