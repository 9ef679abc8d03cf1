"""Where the shards of an annotation run: threads of this process, or a Ray cluster, which is watched while they run."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from ambivox.models.errors import MissingExtraError, OutageError, first_line

_LOOK_SECONDS = 5.0  # between two looks at the cluster, where no shard is completed


@dataclass(frozen=True, kw_only=True)
class ShardRunner:
    """How shards run at the same time.

    Attributes:
        kind: Threads of this process, or processes of a Ray cluster.
        workers: How many shards run at the same time.
        ray_address: The cluster; empty starts one on this machine with ``workers`` processes.
        gpus_per_worker: GPUs that a Ray worker reserves.
        most_seconds_without_node: For so long the cluster may run no shard, while a node starts or is reached again.
    """

    kind: Literal["threads", "ray"] = "threads"
    workers: int = 1
    ray_address: str = ""
    gpus_per_worker: float = 0.0
    most_seconds_without_node: float = 600.0

    @contextmanager
    def running(self) -> Iterator[TaskRunner[Any]]:
        """A running task runner of Prefect.

        Raises:
            MissingExtraError: Ray is not installed.
            OutageError: There is no cluster at the address.
        """
        if self.kind == "threads":
            threads: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=self.workers)
            with threads:
                yield threads
            return
        try:
            from prefect_ray import RayTaskRunner
            from prefect_ray.context import remote_options
        except ImportError as error:
            raise MissingExtraError("prefect-ray", "ray") from error
        gpus = self.gpus_per_worker
        here: dict[str, Any] = {"num_cpus": self.workers, "include_dashboard": False}
        if gpus:
            here["num_gpus"] = self.workers * gpus
        runner: Any = RayTaskRunner(
            address=self.ray_address or None, init_kwargs={} if self.ray_address else here
        )
        try:
            runner.__enter__()
        except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
            reason = first_line(error)
            raise OutageError(
                f"the Ray cluster at {self.ray_address or 'this machine'} cannot be used ({reason}); start it, and run this "
                "on one of its nodes"
            ) from error
        with remote_options(**({"num_gpus": gpus} if gpus else {})):
            try:
                yield runner
            finally:
                runner.__exit__(None, None, None)

    def completed(self, futures: Sequence[PrefectFuture[Any]]) -> Iterator[PrefectFuture[Any]]:
        """The futures of shards, each when it has ended.

        Args:
            futures: What ``map`` of the runner returned.

        Raises:
            OutageError: The cluster has run no shard for ``most_seconds_without_node``.
        """
        ended: queue.SimpleQueue[PrefectFuture[Any]] = queue.SimpleQueue()
        for future in futures:
            future.add_done_callback(ended.put)
        last_seen = time.monotonic()
        for _ in futures:
            while True:
                try:
                    yield ended.get(timeout=_LOOK_SECONDS)
                    break
                except queue.Empty:
                    if self._is_at_work():
                        last_seen = time.monotonic()
                    elif time.monotonic() - last_seen > self.most_seconds_without_node:
                        raise self._no_node(time.monotonic() - last_seen) from None
            last_seen = time.monotonic()

    def _is_at_work(self) -> bool:
        """Whether there are nodes that can run a shard, and not all of them are idle.

        Ray may leave shards alone that were on a node whose link was cut for long, though that node is there again.
        """
        if self.kind == "threads":
            return True
        import ray

        able = self._able_nodes()
        name = "GPU" if self.gpus_per_worker else "CPU"
        idle = ray.available_resources().get(name, 0.0) if able else 0.0
        return bool(idle < sum(node["Resources"][name] for node in able))

    def _able_nodes(self) -> list[dict[str, Any]]:
        import ray

        name, amount = ("GPU", self.gpus_per_worker) if self.gpus_per_worker else ("CPU", 1.0)
        return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get(name, 0.0) >= amount]

    def _no_node(self, seconds: float) -> OutageError:
        needed = f"{self.gpus_per_worker:g} GPUs" if self.gpus_per_worker else "a CPU"
        nodes = f"its nodes with {needed} are idle" if self._able_nodes() else f"no node with {needed}"
        return OutageError(
            f"the Ray cluster at {self.ray_address or 'this machine'} has run no shard for {seconds:.0f} s ({nodes}); stored "
            "answers are kept: start a node (ray start --address=HEAD:6379) where none is left, and the same run, which resumes"
        )
