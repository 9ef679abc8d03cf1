"""Resources for a million, 100 million and a billion utterances: measured unit costs times stated rates.

Measured on this machine: bytes per row of each table and of the vote store; seconds of decoding, of ``annotate`` without the
ALM, of Prefect's task runs and of DVC's hashing. Seconds of a single process are CPU seconds, which other load on the
machine changes little; those of Prefect's task runs are wall-clock seconds, and include its server. Counting, pooling and the
vote store are rows of benchmarks/RESULTS.md. Assumed, not measured: the throughput of a 7B ALM on a GPU, and prices.
Simulated runs with these costs are in capacity_simulation.py.

    python -m benchmarks.capacity
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
PROMPTS = 12  # the default: 2 personas x 6 orders
SHARD = 256
VOTES = 3
# Assumed: prompts per second of a 7B ALM on one data-centre GPU (H100 class), one token each, audio encoded once (at most
# 750 audio tokens for 30 s, 100 for 4 s). Replace it by the rate that `ambivox annotate` shows.
GPU_PROMPTS_PER_SECOND = 60.0
GPU_HOUR_PRICE = 3.0
STORE_GB_MONTH_PRICE = 0.023


def table_bytes(rows: int = 100_000) -> dict[str, float]:
    """Bytes per row of each table in the Parquet files that the steps write."""
    from ambivox.models.tables import Annotations, Distributions, Votes

    rng = np.random.default_rng(0)
    ids = pl.Series("utterance_id", [f"MSP-PODCAST_{n // 40:04d}_{n % 40:04d}" for n in range(rows)])
    p_NK = rng.dirichlet(np.ones(len(LABELS)), rows)
    votes = pl.DataFrame(
        {
            "utterance_id": ids,
            "annotator_id": [f"WORKER{n:08d}" for n in rng.integers(0, 12_000, rows)],
            "annotator_kind": "human",
            "label": [LABELS[k] for k in rng.integers(0, 6, rows)],
            "weight": 1.0,
        }
    )
    annotations = pl.DataFrame(
        {
            "utterance_id": ids,
            "alm": "qwen2_audio",
            "revision": "0" * 40,
            "elicitation": "exact",
            "persona": "voice_and_words",
            "option_order": "012345",
            "temperature": 1.0,
            "refused": False,
            "prompt_sha256": "0" * 64,
            "engine": "vllm 0.30.0 bfloat16",
            "logprobs": np.log(p_NK).round(6).tolist(),
            "label_mass": rng.random(rows).round(6),
        }
    )
    tables = {
        "human vote": Votes.check(votes, LABELS),
        "annotation": Annotations.check(annotations, LABELS),
        "distribution": Distributions.of(ids, "pooled", p_NK, LABELS, 3.0, rng.random(rows)),
    }
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: table.write(Path(folder) / f"{name}.parquet").stat().st_size / rows
            for name, table in tables.items()
        }


def decoding_seconds(recordings: int = 200, seconds: float = 4.0, rate_hz: int = 16_000) -> float:
    """CPU seconds per FLAC file for decoding, and for resampling if ``rate_hz`` is not the ALM's 16 kHz."""
    import soundfile

    from ambivox.models.audio.decoding import decode

    rng = np.random.default_rng(0)
    steps = np.arange(int(seconds * rate_hz))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{n}.flac" for n in range(recordings)]
        for path in paths:
            tone = np.sin(2 * np.pi * rng.uniform(80, 400) * steps / rate_hz)
            soundfile.write(path, 0.3 * tone + 0.02 * rng.standard_normal(len(steps)), rate_hz)
        decode(str(paths[0]))
        started = time.process_time()
        for path in paths:
            decode(str(path))
        return (time.process_time() - started) / recordings


def annotating(recordings: int = 1024) -> tuple[float, float]:
    """CPU seconds per utterance of ``annotate`` with a fake ALM, and bytes per answer in the vote store."""
    import hashlib

    import soundfile

    from ambivox.models.tables import Utterances
    from ambivox.tasks.annotate import AnnotateOptions, annotate

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = []
        for n in range(recordings):
            path = folder / f"{n}.flac"
            soundfile.write(path, 0.1 * rng.standard_normal(4 * 16_000), 16_000)
            rows.append(
                {
                    "utterance_id": path.stem,
                    "corpus": "noise",
                    "audio": str(path),
                    "duration_seconds": 4.0,
                    "audio_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                    "sample_rate_hz": 16_000,
                    "split": "train",
                    "transcript": "it's eleven o'clock",
                    "speaker": f"s{n % 50}",
                }
            )
        frame = pl.DataFrame(rows)
        warm_up = Utterances.check(frame.head(8), LABELS).write(folder / "warm-up.parquet")
        complete = Utterances.check(frame, LABELS).write(folder / "all.parquet")
        store = folder / "store"
        annotate(
            utterances=warm_up,
            alm="qwen2_audio",
            out=folder / "first",
            options=AnnotateOptions(engine="fake", shard=SHARD, store=str(folder / "warm")),
        )
        started = time.process_time()
        annotate(
            utterances=complete,
            alm="qwen2_audio",
            out=folder / "out",
            options=AnnotateOptions(engine="fake", shard=SHARD, store=str(store)),
        )
        seconds = (time.process_time() - started) / recordings
        shards = list(store.rglob("*.parquet"))
        answers = sum(pl.scan_parquet(path).select(pl.len()).collect().item() for path in shards)
        return seconds, sum(path.stat().st_size for path in shards) / answers


def task_run_seconds(count: int = 60) -> float:
    """Seconds of Prefect's overhead per task run, on a server with SQLite."""
    os.environ |= {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    from prefect import flow, task
    from prefect.testing.utilities import prefect_test_harness

    @task(persist_result=False)
    def identity(number: int) -> int:
        return number

    @flow
    def many_tasks(number: int) -> None:
        for future in identity.map(range(number)):
            future.result()

    with prefect_test_harness(server_startup_timeout=120):
        many_tasks(2)
        started = time.perf_counter()
        many_tasks(count)
        return (time.perf_counter() - started) / count


def hashing_bytes_per_second(size: int = 200_000_000) -> float:
    """Bytes per CPU second that DVC hashes (MD5) in one file."""
    from dvc_data.hashfile.hash import file_md5
    from dvc_objects.fs.local import LocalFileSystem

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(os.urandom(size))
        started = time.process_time()
        file_md5(str(path), LocalFileSystem())
        return size / (time.process_time() - started)


def plan(utterances: float, unit: dict[str, float], task: float) -> dict[str, str]:
    """Resources for ``utterances`` utterances, given bytes per row (``unit``) and seconds per task run (``task``)."""
    prompts = utterances * PROMPTS
    gpu_hours = prompts / GPU_PROMPTS_PER_SECOND / 3600
    shards = utterances / SHARD
    # The table of annotations and the vote store.
    stored = (
        prompts * (unit["annotation"] + unit["stored answer"])
        + utterances * (VOTES * unit["human vote"] + 4 * unit["distribution"])
    ) / 1e9
    return {
        "prompts": f"{prompts:,.0f}",
        "GPU hours": f"{gpu_hours:,.0f}",
        "days on 8 GPUs": f"{gpu_hours / 8 / 24:,.1f}",
        "GPU cost": f"${gpu_hours * GPU_HOUR_PRICE:,.0f}",
        "shards = task runs = store files": f"{shards:,.0f}",
        "overhead of Prefect": f"{shards * task / 3600:,.2f} h",
        "tables and store": f"{stored:,.1f} GB",
        "storage per month": f"${stored * STORE_GB_MONTH_PRICE:,.2f}",
        "audio, 4 s of FLAC each": f"{utterances * 64e3 / 1e9:,.0f} GB",
    }


def main() -> None:
    """Measure and print."""
    unit, task, hashing = table_bytes(), task_run_seconds(), hashing_bytes_per_second()
    seconds, stored = annotating()
    for name, size in unit.items():
        print(f"{name}: {size:.1f} bytes per row")
    print(f"vote store: {stored:.1f} bytes per answer")
    print(
        f"decoding 4 s of FLAC: {1000 * decoding_seconds():.2f} ms at 16 kHz, {1000 * decoding_seconds(rate_hz=44_100):.2f} ms at 44.1 kHz"
    )
    print(
        f"annotate without the ALM: {1000 * seconds:.2f} ms of CPU per utterance with {PROMPTS} prompts, decoding included"
    )
    print(f"Prefect: {1000 * task:.0f} ms per task run")
    print(f"DVC: {hashing / 1e6:.0f} MB per CPU second hashed")
    unit["stored answer"] = stored
    plans = [plan(utterances, unit, task) for utterances in (1e6, 1e8, 1e9)]
    for name in plans[0]:
        print(f"{name}: {' | '.join(each[name] for each in plans)}")


if __name__ == "__main__":
    main()
