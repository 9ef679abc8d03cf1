"""How the pipeline grows with the corpus: time, memory, files and Prefect API calls, per step.

The corpus is a table with a clip of a quarter of a second per utterance, and the ALM is the fake one, which answers at
once: what is left is Ambivox's own work. Each step is a process of its own. The last row is the flow ``annotate`` on an
empty store, which runs a Prefect task per shard (flow_annotate.py).

    python -m benchmarks.growth [--sizes 500 5000] [--out benchmarks/results/growth.json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np

from ambivox.models.reporting.tables import markdown_table

ROOT = Path(__file__).resolve().parents[1]
_LABELS = np.array(["anger", "happiness", "neutral", "sadness"])
_PER_SPEAKER, _VOTES, _ANNOTATORS = 40, 5, 30
_RATE_HZ, _FRAMES = 16_000, 4_000
_FIGURES = ('{"api_calls"', '{"processor_seconds"')  # how lines begin that a measured process prints
_COLUMNS = (
    "utterances",
    "step",
    "seconds",
    "CPU seconds",
    "CPU ms per utterance",
    "MiB",
    "files",
    "API calls",
)


def write_corpus(root: Path, utterances: int) -> None:
    """Clips of noise, a table of utterances, and one of votes by annotators who mostly agree."""
    rng = np.random.default_rng(0)
    (root / "audio").mkdir(parents=True)
    names = [f"u{number:06}" for number in range(utterances)]
    for name in names:
        with wave.open(str(root / "audio" / f"{name}.wav"), "wb") as sound:
            sound.setparams((1, 2, _RATE_HZ, 0, "NONE", ""))
            sound.writeframes(rng.integers(-3000, 3000, _FRAMES, dtype=np.int16).tobytes())
    with (root / "utterances.csv").open("w") as file:
        file.write("utterance_id,audio,transcript,speaker\n")
        for number, name in enumerate(names):
            file.write(f"{name},audio/{name}.wav,what they said in {name},s{number // _PER_SPEAKER}\n")
    label_NV = (
        rng.dirichlet(np.full(len(_LABELS), 0.5), utterances)[:, None].cumsum(2)
        < rng.random((utterances, _VOTES, 1))
    ).sum(2)
    with (root / "votes.csv").open("w") as file:
        file.write("utterance_id,annotator_id,label\n")
        for name, label_V in zip(names, label_NV.clip(max=len(_LABELS) - 1), strict=True):
            first = int(rng.integers(_ANNOTATORS))
            for vote, label in enumerate(_LABELS[label_V]):
                file.write(f"{name},r{(first + vote) % _ANNOTATORS},{label}\n")


def step_commands(folder: Path, shard: int = 256) -> dict[str, list[str]]:
    """The command of each step, in order, for the corpus in ``folder/corpus``; clips per shard of the store."""
    data = folder / "data"
    ingested, answers = data / "ingest", data / "annotations" / "annotations.parquet"
    tables = [
        "--utterances",
        str(ingested / "utterances.parquet"),
        "--votes",
        str(ingested / "votes.parquet"),
    ]
    shares = ["--shares", "0", "0.7", "0.1", "0.2", "--keep-votes", "3"]
    arguments = {
        "ingest": [
            *("--corpus", "table", "--root", str(folder / "corpus"), "--out", str(ingested), *shares),
            *("--cache", str(folder / "cache.sqlite")),
        ],
        "annotate": [
            *(*tables[:2], "--alm", "qwen2_audio", "--engine", "fake", "--shard", str(shard)),
            *("--store", str(folder / "store"), "--out", str(data / "annotations")),
        ],
        "pool": [
            *(*tables, "--annotations", str(answers), "--out", str(data / "distributions")),
            "--allow-audio-insensitive",
        ],
        "validate": [
            *(*tables, "--heldout", str(ingested / "heldout.parquet"), "--annotations", str(answers)),
            *("--distributions", str(data / "distributions"), "--out", str(data / "validation")),
        ],
        "report": ["--data", str(data), "--out", str(data / "report.html")],
    }
    return {
        step: [sys.executable, "-m", f"ambivox.tasks.{step}", *given] for step, given in arguments.items()
    }


def measure(command: list[str], folder: Path) -> dict[str, Any]:
    """Run a process; its figures, with those that it prints."""
    before = _files(folder)
    log = folder / "log.txt"
    started = time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")
    printed = [line for line in log.read_text().splitlines() if line.startswith(_FIGURES)]
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "mib": round(usage.ru_maxrss / 1024),
        "files": _files(folder) - before,
        **(json.loads(printed[-1]) if printed else {}),
    }


def _files(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def main() -> None:
    """Measure each step for each size, print a table and write it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 5_000])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "growth.json")
    options = parser.parse_args()
    rows = []
    for utterances in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_corpus(folder / "corpus", utterances)
            commands = step_commands(folder)
            commands["flow annotate"] = [sys.executable, "-m", "benchmarks.flow_annotate", name]
            for step, command in commands.items():
                rows.append({"utterances": utterances, "step": step, **measure(command, folder)})
                print(json.dumps(rows[-1]), flush=True)
    cells = [
        (
            f"{row['utterances']:,}",
            row["step"],
            str(row["seconds"]),
            str(row["cpu_seconds"]),
            f"{1000 * row['cpu_seconds'] / row['utterances']:.2f}",
            f"{row['mib']:,}",
            str(row["files"]),
            str(row.get("api_calls", "")),
        )
        for row in rows
    ]
    print(markdown_table(_COLUMNS, cells))
    load = round(os.getloadavg()[0], 1)
    options.out.write_text(json.dumps({"load": load, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
