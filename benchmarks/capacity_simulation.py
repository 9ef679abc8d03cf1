"""Simulation of a large annotation run: workers on GPUs, one scheduler, machines that fail.

A worker requests a shard from the scheduler, which serves one request at a time, computes and stores it, and requests the
next. When a machine fails, its current shard is lost, and its GPU is idle until the missing heartbeat is noticed. The ALM's
throughput is assumed, as in capacity.py; the scheduler's time was measured there.

    python -m benchmarks.capacity_simulation
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from benchmarks.capacity import GPU_PROMPTS_PER_SECOND, PROMPTS

SCHEDULER_SECONDS = 0.034  # of one flow per shard (shard_overhead.py)
STORE_SECONDS = 0.5  # assumed: one PUT and the listing before it
HEARTBEAT_TIMEOUT_SECONDS = 600.0  # infra/automations.yaml
HOURS_BETWEEN_FAILURES = 200.0  # assumed, per machine: preemption, faults


@dataclass(frozen=True)
class Outcome:
    """Result of one run: hours from start to end, shares of the workers' time, number of machine failures."""

    hours: float
    computing: float
    waiting: float
    lost: float
    failures: int


def simulate(utterances: float, shard: int, workers: int, seed: int = 0) -> Outcome:
    """Simulate a run with shards of ``shard`` utterances on ``workers`` GPUs."""
    rng = np.random.default_rng(seed)
    shards = int(np.ceil(utterances / shard))
    work = shard * PROMPTS / GPU_PROMPTS_PER_SECOND
    ready = [(0.0, worker) for worker in range(workers)]
    fails_at = rng.exponential(HOURS_BETWEEN_FAILURES * 3600, workers)
    free = waited = lost = computed = end = 0.0
    failures = 0
    while shards:
        now, worker = heapq.heappop(ready)
        free = max(free, now) + SCHEDULER_SECONDS
        waited += free - now
        done = free + work * rng.uniform(0.9, 1.1) + STORE_SECONDS
        if fails_at[worker] < done:
            restart = max(fails_at[worker], free) + HEARTBEAT_TIMEOUT_SECONDS
            lost += restart - free
            failures += 1
            fails_at[worker] = restart + rng.exponential(HOURS_BETWEEN_FAILURES * 3600)
            heapq.heappush(ready, (restart, worker))
            continue
        shards -= 1
        computed += done - free
        end = max(end, done)
        heapq.heappush(ready, (done, worker))
    total = end * workers
    return Outcome(end / 3600, computed / total, waited / total, lost / total, failures)


def main() -> None:
    """Print the runs of docs/capacity.md."""
    print(
        "utterances | GPUs | shard | hours | computing | waiting for the scheduler | lost to failures | failures"
    )
    for utterances, workers in ((1e6, 8), (1e8, 64), (1e8, 512), (1e9, 512)):
        for shard in (256, 4096) if utterances < 1e9 else (4096,):
            outcome = simulate(utterances, shard, workers)
            print(
                f"{utterances:,.0f} | {workers} | {shard} | {outcome.hours:,.1f} | {outcome.computing:.1%} | {outcome.waiting:.1%} | "
                f"{outcome.lost:.1%} | {outcome.failures}"
            )


if __name__ == "__main__":
    main()
