"""What a million and a hundred million utterances take: unit costs measured here, multiplied by numbers that are stated.

Measured on this machine: bytes of each table a row, seconds of pooling's inputs, Prefect's cost of a task run,
DVC's hashing. Stated, not measured: the rate of a 7B ALM on a GPU, prices. ``python benchmarks/capacity.py``.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
PROMPTS = 4  # 2 personas x 2 orders, the default
SHARD = 256
VOTES = 3
# Stated. Prompts a second of one data-centre GPU (H100 class) on a 7B ALM, one token each, audio encoded once:
# about 750 audio tokens of a 30 s window at most, 100 for 4 s. Set it to what `ambivox annotate` shows you.
GPU_PROMPTS_PER_SECOND = 60.0
GPU_HOUR_PRICE = 3.0
STORE_GB_MONTH_PRICE = 0.023


def table_bytes(rows: int = 100_000) -> dict[str, float]:
    """Parquet bytes per row of each table, written as the steps write them."""
    from models.tables import Annotations, Distributions, Votes

    rng = np.random.default_rng(0)
    ids = pl.Series("utterance_id", [f"MSP-PODCAST_{n // 40:04d}_{n % 40:04d}" for n in range(rows)])
    p_NK = rng.dirichlet(np.ones(len(LABELS)), rows)
    votes = pl.DataFrame({
        "utterance_id": ids, "annotator_id": [f"WORKER{n:08d}" for n in rng.integers(0, 12_000, rows)], "annotator_kind": "human",
        "label": [LABELS[k] for k in rng.integers(0, 6, rows)], "weight": 1.0,
    })  # fmt: skip
    annotations = pl.DataFrame({
        "utterance_id": ids, "alm": "qwen2_audio", "revision": "0" * 40, "elicitation": "exact", "persona": "voice_and_words",
        "option_order": "012345", "temperature": 1.0, "refused": False, "prompt_sha256": "0" * 64, "engine": "vllm 0.30.0 bfloat16",
        "logprobs": np.log(p_NK).round(6).tolist(), "label_mass": rng.random(rows).round(6),
    })  # fmt: skip
    made = {
        "human vote": Votes.check(votes, LABELS),
        "annotation": Annotations.check(annotations, LABELS),
        "distribution": Distributions.of(ids, "pooled", p_NK, LABELS, 3.0, rng.random(rows)),
    }
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: table.write(Path(folder) / f"{name}.parquet").stat().st_size / rows
            for name, table in made.items()
        }


def counting_seconds(rows: int = 1_000_000) -> float:
    """Seconds to count a million votes into arrays."""
    from models.tables import Votes

    rng = np.random.default_rng(0)
    ids = pl.Series([f"u{n}" for n in range(rows // VOTES)])
    frame = pl.DataFrame({
        "utterance_id": ids.gather(np.sort(rng.integers(0, len(ids), rows))), "annotator_id": "a", "annotator_kind": "human",
        "label": pl.Series(LABELS).gather(rng.integers(0, 6, rows)), "weight": 1.0,
    })  # fmt: skip
    votes = Votes.check(frame, LABELS)
    started = time.perf_counter()
    votes.counts(ids)
    return time.perf_counter() - started


def task_run_seconds(count: int = 60) -> float:
    """Seconds of Prefect's own work per task run, on a server with SQLite."""
    os.environ |= {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    from prefect import flow, task
    from prefect.testing.utilities import prefect_test_harness

    @task(persist_result=False)
    def nothing(number: int) -> int:
        return number

    @flow
    def many(number: int) -> None:
        for future in nothing.map(range(number)):
            future.result()

    with prefect_test_harness(server_startup_timeout=120):
        many(2)
        started = time.perf_counter()
        many(count)
        return (time.perf_counter() - started) / count


def hashing_bytes_per_second(size: int = 200_000_000) -> float:
    """DVC's hashing (MD5) of one file."""
    from dvc_data.hashfile.hash import file_md5
    from dvc_objects.fs.local import LocalFileSystem

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(os.urandom(size))
        started = time.perf_counter()
        file_md5(str(path), LocalFileSystem())
        return size / (time.perf_counter() - started)


def plan(utterances: float, unit: dict[str, float], task: float) -> dict[str, str]:
    """What ``utterances`` take."""
    prompts = utterances * PROMPTS
    gpu_hours = prompts / GPU_PROMPTS_PER_SECOND / 3600
    shards = utterances / SHARD
    stored = (
        prompts * unit["annotation"] * 2
        + utterances * (VOTES * unit["human vote"] + 4 * unit["distribution"])
    ) / 1e9
    return {
        "prompts": f"{prompts:,.0f}", "GPU hours": f"{gpu_hours:,.0f}", "days on 8 GPUs": f"{gpu_hours / 8 / 24:,.1f}",
        "GPU cost": f"${gpu_hours * GPU_HOUR_PRICE:,.0f}", "shards = task runs = store files": f"{shards:,.0f}",
        "Prefect's own time": f"{shards * task / 3600:,.2f} h", "tables and store": f"{stored:,.1f} GB",
        "storage a month": f"${stored * STORE_GB_MONTH_PRICE:,.2f}", "audio, 4 s of FLAC": f"{utterances * 64e3 / 1e9:,.0f} GB",
    }  # fmt: skip


def main() -> None:
    """Measure, multiply, print."""
    unit, counting, task, hashing = (
        table_bytes(),
        counting_seconds(),
        task_run_seconds(),
        hashing_bytes_per_second(),
    )
    for name, size in unit.items():
        print(f"{name}: {size:.1f} bytes")
    print(f"counting: {counting:.2f} s a million votes")
    print(f"Prefect: {1000 * task:.0f} ms a task run")
    print(f"DVC: {hashing / 1e6:.0f} MB/s hashed")
    small, large = plan(1e6, unit, task), plan(1e8, unit, task)
    for name, value in small.items():
        print(f"{name}: {value} | {large[name]}")


if __name__ == "__main__":
    main()
