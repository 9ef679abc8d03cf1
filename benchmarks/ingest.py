"""Time and memory of ingesting a corpus as large as MSP-Podcast: 150,000 utterances, one million votes.

The corpus is generated in the official layout: a consensus file, the workers' answers in each of the three formats, and a
transcript and a WAV file of an eighth of a second per sentence (probing reads headers only; hashing complete files is as
fast as the disk). Each ingest is a separate process, first with an empty audio cache, then with a complete one.

    python -m benchmarks.ingest [--utterances 150000] [--out benchmarks/results/ingest.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from io import BytesIO
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
VOTES_PER_UTTERANCE = 20 / 3
WORKERS = 12_000
SHAPES = ("named", "packed", "json")
MAJORS = ["Angry", "Sad", "Happy", "Surprise", "Fear", "Disgust", "Contempt", "Neutral", "Other-bored"]
LIMIT_SECONDS, LIMIT_GIB = 60.0, 2.0


def make_corpus(root: Path, utterances: int, seed: int = 0) -> int:
    """Write the corpus under ``root`` with the votes in the format ``named``; return the number of votes."""
    rng = np.random.default_rng(seed)
    for folder in ("Labels", "Audios", "Transcripts"):
        (root / folder).mkdir(parents=True)
    names = [f"MSP-PODCAST_{number // 40:04}_{number % 40:04}" for number in range(utterances)]
    buffer = BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframes(rng.integers(100, 156, 1000, dtype=np.uint8).tobytes())
    for name in names:
        (root / "Audios" / f"{name}.wav").write_bytes(buffer.getvalue())
        (root / "Transcripts" / f"{name}.txt").write_text(f"This is what they said in {name}.\n")
    speakers = [f"{number}" if number % 10 else "Unknown" for number in range(utterances // 40 + 1)]
    sets = [
        "Test1" if number % 6 == 1 else "Development" if number % 6 == 2 else "Train"
        for number in range(len(speakers))
    ]
    with (root / "Labels" / "labels_consensus.csv").open("w") as file:
        file.write("FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n")
        for number, name in enumerate(names):
            speaker = number // 40
            file.write(
                f"{name}.wav,N,4.0,4.0,4.0,{speakers[speaker]},{'Male' if speaker % 2 else 'Female'},{sets[speaker]}\n"
            )
    votes = rng.binomial(10, VOTES_PER_UTTERANCE / 10, utterances)
    starts = np.concatenate([[0], votes.cumsum()])
    drawn = rng.integers(0, WORKERS, votes.sum() + 1).tolist()
    with (root / "Labels" / "labels_detailed.csv").open("w") as file:
        file.write("FileName,Worker,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom\n")
        for number, name in enumerate(names):
            first, *majors = drawn[starts[number] : starts[number + 1] + 1]
            for step, draw in enumerate(majors):
                worker, major = (first + 7 * step) % WORKERS, draw % len(MAJORS)
                file.write(
                    f'{name}.wav,WORKER{worker:08},{MAJORS[major]},"{MAJORS[major]},Concerned",2.0,5.0,4.0\n'
                )
    return int(votes.sum())


def reshape(root: Path, shape: str) -> None:
    """Convert the workers' answers to another of the three formats."""
    import csv

    named = root / "Labels" / "named.csv"
    target = root / "Labels" / "labels_detailed.csv"
    if not named.exists():
        target.rename(named)
    for old in (target, root / "Labels" / "labels_detailed.json"):
        old.unlink(missing_ok=True)
    if shape == "named":
        os.link(named, target)
        return
    with named.open(newline="") as source:
        if shape == "packed":
            with target.open("w") as file:
                file.write("FileName,EmoDetail\n")
                for row in csv.DictReader(source):
                    packed = f"{row['Worker']}; {row['EmoClass_Major']}; {row['EmoClass_Second']}; A:2.0; V:5.0; D:4.0;"
                    file.write(f'{row["FileName"]},"{packed}"\n')
        else:
            tree: dict[str, dict[str, dict[str, object]]] = {}
            for row in csv.DictReader(source):
                answer = {"EmoClass_Major": row["EmoClass_Major"], "EmoClass_Second": row["EmoClass_Second"]}
                dimensions = {"EmoAct": 2.0, "EmoVal": 5.0, "EmoDom": 4.0}
                tree.setdefault(row["FileName"], {})[row["Worker"]] = answer | dimensions
            target.with_suffix(".json").write_text(json.dumps(tree))


def measure(root: Path, out: Path, cache: Path) -> tuple[float, float, float]:
    """Wall-clock seconds, CPU seconds and peak resident memory (GiB) of one ingest in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "ambivox.tasks.ingest",
        "--corpus",
        "msp_podcast",
        "--root",
        str(root),
        "--out",
        str(out),
    ]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--cache", str(cache)], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"ingest failed with {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20


def main() -> None:
    """Generate the corpus, measure the three formats with and without audio cache, check and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=150_000)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=SHAPES)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "ingest.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root, out, cache = Path(name) / "MSP-PODCAST", Path(name) / "out", Path(name) / "cache.sqlite"
        votes = make_corpus(root, options.utterances)
        print(
            f"{options.utterances:,} utterances, {votes:,} votes, {os.cpu_count()} cores, {platform.machine()}"
        )
        print("| format | audio cached | seconds | CPU seconds | GiB |\n|---|---|---|---|---|")
        rows = []
        for shape in options.shapes:
            reshape(root, shape)
            cache.unlink(missing_ok=True)
            for is_cached in (False, True):
                seconds, cpu, gib = measure(root, out, cache)
                profile = json.loads((out / "profile.json").read_text())
                assert (profile["utterances"], profile["votes"], profile["rejects"]) == (
                    options.utterances,
                    votes,
                    {},
                )
                print(
                    f"| {shape} | {'yes' if is_cached else 'no'} | {seconds:.1f} | {cpu:.1f} | {gib:.2f} |",
                    flush=True,
                )
                figures = {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "gib": round(gib, 2)}
                rows.append({"shape": shape, "cached": is_cached} | figures)
                shutil.rmtree(out)
    result = {"utterances": options.utterances, "votes": votes, "cores": os.cpu_count(), "rows": rows}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    slowest, largest = max(row["seconds"] for row in rows), max(row["gib"] for row in rows)
    if slowest > LIMIT_SECONDS or largest > LIMIT_GIB:
        raise SystemExit(
            f"found {slowest} s and {largest} GiB, expected at most {LIMIT_SECONDS:.0f} s and {LIMIT_GIB:.0f} GiB"
        )


if __name__ == "__main__":
    main()
