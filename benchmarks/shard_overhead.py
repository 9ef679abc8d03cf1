"""What a shard costs the flow ``annotate`` beyond the step: processor time, with that of the Prefect server.

The same corpus is annotated by the fake ALM in few and in many shards, by the step and by the flow, in turns. The step's
time grows with the number of shards, too; what the flow's grows more is the overhead. What a run costs once, such as
the start of the server, is not in it.

    python -m benchmarks.shard_overhead [--utterances 2000] [--shard 100 10] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.growth import ROOT, measure, step_commands, write_corpus

TARGET_SECONDS = 0.05


def overhead(folder: Path, utterances: int, clips: list[int]) -> dict[str, float]:
    """Processor seconds per shard in one round: of the step, of the flow, and the difference.

    Args:
        folder: with the corpus, ingested.
        utterances: of the corpus.
        clips: per shard, the larger number first.
    """
    seconds: dict[str, list[float]] = {"step": [], "flow": []}
    for shard in clips:
        commands = {
            "step": step_commands(folder, shard)["annotate"],
            "flow": [sys.executable, "-m", "benchmarks.flow_annotate", str(folder), "--shard", str(shard)],
        }
        for name, command in commands.items():
            seconds[name].append(measure(command, folder)["cpu_seconds"])
            for made in ("store", "flow store", "flow out", "project"):
                shutil.rmtree(folder / made, ignore_errors=True)
    few, many = (math.ceil(utterances / shard) for shard in clips)
    step, flow = ((after - before) / (many - few) for before, after in seconds.values())
    return {"step": step, "flow": flow, "overhead": flow - step}


def main() -> None:
    """Measure, print the rounds and their median, and write them as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=2_000)
    parser.add_argument(
        "--shard", type=int, nargs=2, default=[100, 10], help="clips per shard: few shards, many"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "shard_overhead.json")
    options = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "corpus", options.utterances)
        subprocess.run(step_commands(folder)["ingest"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        for _ in range(options.rounds):
            rounds.append(overhead(folder, options.utterances, options.shard))
            print(json.dumps(rounds[-1]), flush=True)
    median = statistics.median(each["overhead"] for each in rounds)
    print(
        f"{1000 * median:.0f} ms per shard (target: {1000 * TARGET_SECONDS:.0f}), load {os.getloadavg()[0]:.0f}"
    )
    figures = {"rounds": rounds, "median": median, "load": round(os.getloadavg()[0], 1)}
    options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
