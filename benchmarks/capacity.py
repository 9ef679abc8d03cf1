"""What a million and a hundred million utterances take: unit costs measured here, multiplied by numbers that are stated.

Measured on this machine: bytes of each table and of the store a row, seconds of decoding, of everything in ``annotate``
but the ALM, of pooling's inputs, of Prefect's task runs, of DVC's hashing. Seconds of one process are CPU seconds, which
other jobs on the machine disturb little. Stated, not measured: the rate of a 7B ALM on a GPU, prices, S3's answers.
``python -m benchmarks.capacity``; capacity_simulation.py plays a run through with them.
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


def decoding_seconds(clips: int = 200, seconds: float = 4.0, rate_hz: int = 16_000) -> float:
    """CPU seconds to decode a FLAC clip, and to resample it where ``rate_hz`` is not the ALM's 16 kHz."""
    import soundfile

    from ambivox.models.audio.decoding import decode

    rng = np.random.default_rng(0)
    steps = np.arange(int(seconds * rate_hz))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{n}.flac" for n in range(clips)]
        for path in paths:
            tone = np.sin(2 * np.pi * rng.uniform(80, 400) * steps / rate_hz)
            soundfile.write(path, 0.3 * tone + 0.02 * rng.standard_normal(len(steps)), rate_hz)
        decode(str(paths[0]))
        started = time.process_time()
        for path in paths:
            decode(str(path))
        return (time.process_time() - started) / clips


def annotating(clips: int = 1024) -> tuple[float, float]:
    """CPU seconds an utterance of ``annotate`` beside the ALM (a fake answers at once), and bytes of the store an answer."""
    import hashlib

    import soundfile

    from ambivox.models.tables import Utterances
    from tests.support.steps import annotate

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = []
        for n in range(clips):
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
        some = Utterances.check(frame.head(8), LABELS).write(folder / "some.parquet")
        every = Utterances.check(frame, LABELS).write(folder / "all.parquet")
        store, asked = folder / "store", {"alm": "qwen2_audio", "engine": "fake", "shard": SHARD}
        annotate(utterances=some, store=str(folder / "warm"), out=folder / "first", **asked)  # type: ignore[arg-type]
        started = time.process_time()
        annotate(utterances=every, store=str(store), out=folder / "out", **asked)  # type: ignore[arg-type]
        spent = (time.process_time() - started) / clips
        shards = list(store.rglob("*.parquet"))
        answers = sum(pl.scan_parquet(path).select(pl.len()).collect().item() for path in shards)
        return spent, sum(path.stat().st_size for path in shards) / answers


def counting_seconds(rows: int = 1_000_000) -> float:
    """Seconds to count a million votes into arrays."""
    from ambivox.models.tables import Votes

    rng = np.random.default_rng(0)
    ids = pl.Series([f"u{n}" for n in range(rows // VOTES)])
    frame = pl.DataFrame(
        {
            "utterance_id": ids.gather(np.sort(rng.integers(0, len(ids), rows))),
            "annotator_id": "a",
            "annotator_kind": "human",
            "label": pl.Series(LABELS).gather(rng.integers(0, 6, rows)),
            "weight": 1.0,
        }
    )
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
        "Prefect's own time": f"{shards * task / 3600:,.2f} h",
        "tables and store": f"{stored:,.1f} GB",
        "storage a month": f"${stored * STORE_GB_MONTH_PRICE:,.2f}",
        "audio, 4 s of FLAC": f"{utterances * 64e3 / 1e9:,.0f} GB",
    }


def main() -> None:
    """Measure, multiply, print."""
    unit, counting, task, hashing = (
        table_bytes(),
        counting_seconds(),
        task_run_seconds(),
        hashing_bytes_per_second(),
    )
    spent, stored = annotating()
    for name, size in unit.items():
        print(f"{name}: {size:.1f} bytes")
    print(f"vote store: {stored:.1f} bytes an answer")
    print(
        f"decoding 4 s of FLAC: {1000 * decoding_seconds():.2f} ms at 16 kHz, {1000 * decoding_seconds(rate_hz=44_100):.2f} ms at 44.1 kHz"
    )
    print(
        f"annotate but for the ALM: {1000 * spent:.2f} ms of CPU an utterance of {PROMPTS} prompts, decoding included"
    )
    print(f"counting: {counting:.2f} s a million votes")
    print(f"Prefect: {1000 * task:.0f} ms a task run")
    print(f"DVC: {hashing / 1e6:.0f} MB/s hashed")
    unit["stored answer"] = stored
    small, large = plan(1e6, unit, task), plan(1e8, unit, task)
    for name, value in small.items():
        print(f"{name}: {value} | {large[name]}")


if __name__ == "__main__":
    main()
