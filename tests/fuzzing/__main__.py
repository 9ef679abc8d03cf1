"""``python -m tests.fuzzing [PARSER ...] [--cases 100000] [--seconds 600]``: fuzz parsers, all in a process of their own.

Prints one line per parser. Progress and the inputs that are faults are kept in --out, and the same command continues;
it ends with 1 where there are faults. A case that ends the process, or keeps it from Python for a minute, is a fault.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import certifi
import psutil

from tests.fuzzing.case_record import Case, CaseRecord
from tests.fuzzing.long_form import Progress, keep, line, run_turns

# The case's own alarm, which needs Python to run, rings after 5 of computing and 60 by the clock. A machine that others use
# may give the process nothing for minutes.
_COMPUTING_SECONDS_OF_A_CASE = 20.0
_SECONDS_OF_A_CASE = 1200.0


def main() -> int:
    """Run the campaigns."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("parsers", nargs="*", help="by default all")
    arguments.add_argument("--cases", type=int, default=100_000, help="per parser")
    arguments.add_argument("--seconds", type=float, default=float("inf"), help="of the processor, per parser")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--out", type=Path, default=Path("build/fuzzing"))
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    from tests.fuzzing.parsers import PARSERS

    names = given.parsers or list(PARSERS)
    if unknown := [name for name in names if name not in PARSERS]:
        arguments.error(f"no parser is called {', '.join(unknown)}; there are {', '.join(PARSERS)}")
    if given.folder:
        parsers = {name: PARSERS[name] for name in names}
        record = CaseRecord(given.folder / "case")
        run_turns(parsers, given.cases, given.seconds, given.seed, given.out, given.folder, record)
        return 0
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with TemporaryDirectory(prefix="ambivox-fuzzing-", dir=memory) as folder:
        while (code := _run(Path(folder))) != 0:
            print(f"a process ended with {code}", flush=True)
            _note_end(CaseRecord(Path(folder) / "case"), names, code, given.out)
    progress = {name: Progress.read(given.out, name) for name in names}
    print(f"{sum(each.cases for each in progress.values()):,} cases of {len(names)} parsers; with faults:")
    for name, each in progress.items():
        if each.faults:
            print(line(name, each))
    return int(any(each.faults for each in progress.values()))


def _run(folder: Path) -> int:
    """Run the process until it ends, or is at one case for too long; its exit code."""
    few = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    few["SSL_CERT_FILE"] = str(_one_certificate(folder))
    command = [sys.executable, "-m", "tests.fuzzing", *sys.argv[1:], "--folder", str(folder)]
    record = CaseRecord(folder / "case")
    record.write(Case(-1, 0, time.monotonic(), b""))  # not the case that ended the process before
    with (
        (folder / "messages.txt").open("wb") as messages,
        subprocess.Popen(command, env=os.environ | few, stderr=messages) as process,
    ):
        seen, seen_seconds = -1.0, 0.0
        while process.poll() is None:
            time.sleep(1)
            case, seconds = record.read(), _computing_seconds(process.pid)
            if case.began != seen:
                seen, seen_seconds = case.began, seconds
            is_case = case.parser >= 0 and case.number > 0
            is_late = time.monotonic() - case.began > _SECONDS_OF_A_CASE
            is_long = seconds - seen_seconds > _COMPUTING_SECONDS_OF_A_CASE
            if is_case and (is_late or is_long) and record.read() == case:
                print(f"case {case.number} has taken {seconds - seen_seconds:.0f} s of computing", flush=True)
                process.kill()
        return process.returncode


def _computing_seconds(process: int) -> float:
    """Of the processor, which a process has had; 0 where it has ended."""
    try:
        times = psutil.Process(process).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _one_certificate(folder: Path) -> Path:
    """A file with one authority: HTTP clients load all of them for each client, which takes 30 ms."""
    path = folder / "authority.pem"
    first, end, _ = Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----")
    path.write_text(first[first.index("-----BEGIN CERTIFICATE-----") :] + end + "\n", encoding="utf-8")
    return path


def _note_end(record: CaseRecord, names: list[str], code: int, out: Path) -> None:
    case = record.read()
    if case.parser < 0 or not case.began:
        raise SystemExit(f"the process ended with {code} outside a case")
    name = names[case.parser]
    kind = f"the process ended with {code}"
    progress = Progress.read(out, name)
    progress.cases = case.number + 1
    progress.faults[kind] = progress.faults.get(kind, 0) + 1
    progress.save(out, name)
    keep(out / name, kind, case.content)


if __name__ == "__main__":
    sys.exit(main())
