"""Shards that end, and a Ray cluster without a node that could run them, or without an address that answers."""

from __future__ import annotations

import concurrent.futures
from typing import Any
from uuid import uuid4

import pytest
from prefect.futures import PrefectConcurrentFuture

from ambivox.flows import shard_runners
from ambivox.flows.shard_runners import ShardRunner
from ambivox.models.errors import OutageError

NODES: dict[str, dict[str, Any]] = {
    "dead": {"Alive": False, "Resources": {"CPU": 4.0}},
    "head": {"Alive": True, "Resources": {"memory": 1e9}},
    "worker": {"Alive": True, "Resources": {"CPU": 1.0}},
    "gpu worker": {"Alive": True, "Resources": {"CPU": 1.0, "GPU": 1.0}},
}


def shards(count: int) -> list[PrefectConcurrentFuture[Any]]:
    return [
        PrefectConcurrentFuture[Any](task_run_id=uuid4(), wrapped_future=concurrent.futures.Future())
        for _ in range(count)
    ]


def cluster(monkeypatch: pytest.MonkeyPatch, *names: str, idle: float = 0.0) -> None:
    monkeypatch.setattr("ray.nodes", lambda: [NODES[name] for name in names])
    monkeypatch.setattr("ray.available_resources", lambda: {"CPU": idle, "GPU": idle})
    monkeypatch.setattr(shard_runners, "_LOOK_SECONDS", 0.01)


def test_futures_are_given_in_the_order_in_which_they_end() -> None:
    futures = shards(3)
    for number in (2, 0, 1):
        futures[number].wrapped_future.set_result(None)
    assert set(ShardRunner().completed(futures)) == set(futures)
    futures = shards(2)
    ended = ShardRunner().completed(futures)
    futures[1].wrapped_future.set_result(None)
    assert next(ended) is futures[1]
    futures[0].wrapped_future.set_result(None)
    assert list(ended) == [futures[0]]


@pytest.mark.parametrize(
    ("names", "gpus", "found"),
    [
        ((), 0.0, "no node with a CPU"),
        (("dead", "head"), 0.0, "no node with a CPU"),
        (("worker", "head"), 1.0, "no node with 1 GPUs"),
        (("worker", "head"), 0.0, "its nodes with a CPU are idle"),
        (("gpu worker", "worker"), 1.0, "its nodes with 1 GPUs are idle"),
    ],
)
def test_a_cluster_that_cannot_run_a_shard_is_given_up(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], gpus: float, found: str
) -> None:
    pytest.importorskip("ray")
    cluster(monkeypatch, *names, idle=1.0)
    runner = ShardRunner(
        kind="ray", ray_address="10.0.0.1:6379", gpus_per_worker=gpus, most_seconds_without_node=0.05
    )
    with pytest.raises(OutageError, match=rf"10\.0\.0\.1:6379 has run no shard for \d+ s \({found}\)"):
        list(runner.completed(shards(1)))


@pytest.mark.parametrize(("names", "gpus"), [(("head", "worker"), 0.0), (("gpu worker",), 1.0)])
def test_a_slow_shard_is_waited_for_where_a_node_can_run_it(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], gpus: float
) -> None:
    pytest.importorskip("ray")
    cluster(monkeypatch, *names)
    (future,) = shards(1)
    looks = 0

    def is_at_work(runner: ShardRunner, _look: Any = ShardRunner._is_at_work) -> bool:
        nonlocal looks
        looks += 1
        if looks == 5:
            future.wrapped_future.set_result(None)
        return bool(_look(runner))

    monkeypatch.setattr(ShardRunner, "_is_at_work", is_at_work)
    runner = ShardRunner(kind="ray", gpus_per_worker=gpus, most_seconds_without_node=0.0)
    assert list(runner.completed([future])) == [future] and looks >= 5


def test_an_address_without_a_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prefect_ray")

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nPlease specify one")

    monkeypatch.setattr("ray.init", refuse)
    with (
        pytest.raises(OutageError, match=r"at 10\.0\.0\.1:6379 cannot be used \(Could not find any running"),
        ShardRunner(kind="ray", ray_address="10.0.0.1:6379").running(),
    ):
        pass
