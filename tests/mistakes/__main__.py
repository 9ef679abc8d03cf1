"""``python -m tests.mistakes [texts] [paths] [lines] [--sample N]``: wrong words for every command, and how each ends.

Each case is a command in a forked process, in a project in which everything has run. Prints how many ended how, and every
fault: an end other than one line and exit code 2, a change of any file, or more than five seconds. A case that is accepted
is none: some words that look wrong are legal. Ends with 1 where there are faults.

The order is random, but spread: of every file of every option one mistake, then another (``--seed``). With ``--minutes`` it
stops in between, and with ``--record`` it notes every ending in a file and continues there the next time. ``--real`` runs
some of the cases again as a user starts the command, and compares the endings.
"""

from __future__ import annotations

import argparse
import gc
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

from cyclopts import App

from ambivox.flows.cli import build
from tests.mistakes import command_lines, paths, texts
from tests.mistakes.command_lines import WrongLine
from tests.mistakes.forked import LIMIT_SECONDS, make_place, preload
from tests.mistakes.order import spread
from tests.mistakes.project import make_original
from tests.mistakes.runner import Record, Runner, text
from tests.mistakes.worker import Worker

LIGHT = ("polars", "numpy", "scipy.stats", "pydantic", "soundfile")
HEAVY = (*LIGHT, "torch", "transformers.models.qwen2_audio", "peft", "matplotlib.pyplot", "sklearn.neighbors", "pyarrow.parquet", "dvc.repo")  # fmt: skip
# Commands that end within seconds, also where they accept what they are given. The others are left out of a sample.
QUICK = ("doctor", "export", "forget", "forget-corpus", "import-annotations", "import-votes", "init", "table", "upgrade")  # fmt: skip
SAMPLE_LIMIT_SECONDS = 100.0


def main() -> int:
    """Run the cases; returns 1 where there are faults."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("kinds", nargs="*", choices=["lines", "paths", "texts"], help="by default all")
    arguments.add_argument(
        "--sample", type=int, help="so many cases of each kind, of quick commands, at random"
    )
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument(
        "--data", type=Path, help="data/demo of a project in which all has run; by default it is made first"
    )
    arguments.add_argument("--minutes", type=float, default=float("inf"), help="stop each kind after so long")
    arguments.add_argument(
        "--match", default="", help="only cases whose text, as it is printed, has this in it"
    )
    arguments.add_argument("--record", type=Path, help="a file that notes every ending, and what has run")
    arguments.add_argument(
        "--real", type=int, default=0, help="so many of them as a user starts the command, too"
    )
    arguments.add_argument(
        "--warm", action="store_true", help="many cases per process: faster, and less alike"
    )
    given = arguments.parse_args()
    application = build()
    faults = 0
    preload(LIGHT if given.sample else HEAVY)
    gc.collect()
    gc.freeze()
    # Not a TemporaryDirectory: the first child that ends would remove it.
    work = Path(mkdtemp(prefix="ambivox-mistakes-"))
    try:
        original = make_original(work / "original", given.data or _base(work))
        for kind in given.kinds or ("texts", "paths", "lines"):
            cases = spread(list(_cases(kind, application, original)), given.seed)
            if given.sample:
                cases = [case for case in cases if case.words[0] in QUICK][: given.sample]
            record = Record(given.record)
            cases = [
                case
                for case in cases
                if given.match in text(kind, case) and text(kind, case) not in record.done
            ]
            place = make_place(work / kind) if kind == "lines" else work / kind
            limit = SAMPLE_LIMIT_SECONDS if given.sample else LIMIT_SECONDS
            runner = Runner(kind, application, place, None if kind == "lines" else original, record, limit)
            if given.warm:
                runner.worker = Worker(application, place, limit)
            faults += runner.run(cases, time.monotonic() + 60 * given.minutes)
            if runner.worker is not None:
                runner.worker.close()
                runner.worker = None
            faults += runner.compare(random.Random(given.seed).sample(cases, min(given.real, len(cases))))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return int(faults > 0)


def _base(work: Path) -> Path:
    from tests.crashes.scenarios import run_base

    return run_base(work / "base") / "data/demo"


def _cases(kind: str, application: App, original: Path) -> Iterator[WrongLine]:
    if kind == "lines":
        names = command_lines.commands(application)
        valid = {name: command_lines.right_words(application, name) for name in names}
        yield from command_lines.misspelt(application, valid)
        yield from command_lines.out_of_range(application, valid)
    elif kind == "paths":
        yield from paths.wrong_paths(application)
    else:
        yield from texts.wrong_texts(application, original)


if __name__ == "__main__":
    sys.exit(main())
