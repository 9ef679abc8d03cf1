"""``python -m tests.fuzzing [PARSER ...] [--cases 100000] [--seconds 600]``: fuzz parsers, each in a process of its own.

Prints one line per parser. Inputs that are faults are kept in --out; the command then ends with 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

_CASES_PER_PROCESS = 5000
_CASES_IN_TIME = 500  # where there is a limit on the time


def main() -> int:
    """Run the campaigns."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("parsers", nargs="*")
    arguments.add_argument("--cases", type=int, default=100_000, help="per parser")
    arguments.add_argument("--seconds", type=float, default=float("inf"), help="at most so long per parser")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--out", type=Path, default=Path("build/fuzzing"))
    arguments.add_argument("--one", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.one:
        return _one(given.one, given.cases, given.seed, given.out, given.seconds)
    from tests.fuzzing.parsers import PARSERS

    code = 0
    for name in given.parsers or PARSERS:
        code |= _campaign(name, given.cases, given.seconds, given.seed, given.out)
    return code


def _campaign(name: str, cases: int, seconds: float, seed: int, out: Path) -> int:
    """Run a parser's cases in processes of some thousand each, so that a crash costs little."""
    started, done, refused, counts = time.monotonic(), 0, 0, dict[str, int]()
    while done < cases and time.monotonic() - started < seconds:
        most = _CASES_PER_PROCESS if seconds == float("inf") else _CASES_IN_TIME
        number = min(most, cases - done)
        left = str(seconds - (time.monotonic() - started))
        command = [sys.executable, "-m", "tests.fuzzing", "--one", name, "--cases", str(number)]
        command += ["--seconds", left, "--seed", str(seed), "--out", str(out)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        seed += 1
        try:
            result = json.loads(finished.stdout.strip().splitlines()[-1])
        except (IndexError, ValueError):
            result = {
                "cases": number,
                "refused": 0,
                "counts": {f"the process ended with {finished.returncode}: {finished.stderr[-300:]}": 1},
            }
        done, refused = done + result["cases"], refused + result["refused"]
        for kind, count in result["counts"].items():
            counts[kind] = counts.get(kind, 0) + count
    took = time.monotonic() - started
    print(
        f"{name}: {done:,} cases in {took:.0f} s, {refused:,} refused, {sum(counts.values()):,} faults",
        flush=True,
    )
    for kind, count in sorted(counts.items()):
        print(f"  {count:,} x {kind}", flush=True)
    return int(bool(counts))


def _one(name: str, cases: int, seed: int, out: Path, seconds: float) -> int:
    from tests.fuzzing.campaign import run_campaign
    from tests.fuzzing.parsers import PARSERS

    with TemporaryDirectory(
        prefix="ambivox-fuzzing-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    ) as folder:
        faults = run_campaign(PARSERS[name], cases, seed, Path(folder), seconds)
    for kind, content in faults.inputs.items():
        place = out / name / hashlib.sha256(kind.encode()).hexdigest()[:8]
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists() or len(place.read_bytes()) > len(content):
            place.write_bytes(content)
            place.with_suffix(".txt").write_text(kind)
    print(json.dumps({"cases": faults.cases, "refused": faults.refused, "counts": faults.counts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
