"""Simulates a large annotation run with GPU workers, one scheduler and machine failures.

Run it with ``python -m benchmarks.capacity_simulation``. A worker requests a shard from the scheduler, which serves one
request at a time, computes it, stores it, and requests the next. When a machine fails, its current shard is lost, and its
GPU is idle until the missing heartbeat is detected. The speed of the ALM is assumed, as in capacity.py; the time that the
scheduler takes was measured there.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

# As in capacity.py: the rate is stated, the prompts are the default.
GPU_PROMPTS_PER_SECOND, PROMPTS = 60.0, 4
SCHEDULER_SECONDS = 0.076  # Prefect's own time a task run (capacity.py)
STORE_SECONDS = 0.5  # stated: one PUT and the listing before it
SILENCE_SECONDS = 600.0  # infra/automations.yaml
HOURS_BETWEEN_DEATHS = 200.0  # stated, a machine: preemption, faults


@dataclass(frozen=True)
class Outcome:
    """Of one run: hours from start to end, shares of the workers' time, how often a machine died."""

    hours: float
    computing: float
    waiting: float
    lost: float
    deaths: int


def simulate(utterances: float, shard: int, workers: int, seed: int = 0) -> Outcome:
    """Run shards of ``shard`` utterances through ``workers`` GPUs."""
    rng = np.random.default_rng(seed)
    shards = int(np.ceil(utterances / shard))
    work = shard * PROMPTS / GPU_PROMPTS_PER_SECOND
    ready = [(0.0, worker) for worker in range(workers)]
    dies = rng.exponential(HOURS_BETWEEN_DEATHS * 3600, workers)
    free = waited = lost = computed = end = 0.0
    deaths = 0
    while shards:
        now, worker = heapq.heappop(ready)
        free = max(free, now) + SCHEDULER_SECONDS
        waited += free - now
        done = free + work * rng.uniform(0.9, 1.1) + STORE_SECONDS
        if dies[worker] < done:
            back = max(dies[worker], free) + SILENCE_SECONDS
            lost += back - free
            deaths += 1
            dies[worker] = back + rng.exponential(HOURS_BETWEEN_DEATHS * 3600)
            heapq.heappush(ready, (back, worker))
            continue
        shards -= 1
        computed += done - free
        end = max(end, done)
        heapq.heappush(ready, (done, worker))
    whole = end * workers
    return Outcome(end / 3600, computed / whole, waited / whole, lost / whole, deaths)


def main() -> None:
    """Print the runs of docs/capacity.md."""
    print(
        "utterances | GPUs | shard | hours | computing | waiting for the scheduler | lost to deaths | deaths"
    )
    for utterances, workers in ((1e6, 8), (1e8, 64), (1e8, 512)):
        for shard in (256, 4096):
            one = simulate(utterances, shard, workers)
            print(
                f"{utterances:,.0f} | {workers} | {shard} | {one.hours:,.1f} | {one.computing:.1%} | {one.waiting:.1%} | "
                f"{one.lost:.1%} | {one.deaths}"
            )


if __name__ == "__main__":
    main()
