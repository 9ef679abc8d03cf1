"""``python -m tests.mistakes [lines] [paths] [texts] [--sample N]``: wrong words for every command, and how each ends.

Each case is a command in a forked process, in a project in which everything has run. Prints how many ended how, and every
fault: an end other than one line and exit code 2, a change of any file, or more than five seconds. A case that is accepted
is none: some words that look wrong are legal. Ends with 1 where there are faults.
"""

from __future__ import annotations

import argparse
import gc
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

from cyclopts import App

from ambivox.flows.cli import build
from tests.mistakes import command_lines, paths, texts
from tests.mistakes.command_lines import WrongLine
from tests.mistakes.forked import LIMIT_SECONDS, Ending, make_place, preload, restore, run_forked
from tests.mistakes.project import make_original

LIGHT = ("polars", "numpy", "scipy.stats", "pydantic", "soundfile")
HEAVY = (*LIGHT, "torch", "transformers.models.qwen2_audio", "peft", "matplotlib.pyplot", "sklearn.neighbors", "pyarrow.parquet", "dvc.repo")  # fmt: skip
SHOWN_CHARACTERS = 400
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
        for kind in given.kinds or ("lines", "paths", "texts"):
            cases = list(_cases(kind, application, original))
            if given.sample:
                quick = [case for case in cases if case.words[0] in QUICK]
                cases = random.Random(given.seed).sample(quick, min(given.sample, len(quick)))
            place = make_place(work / kind) if kind == "lines" else work / kind
            limit = SAMPLE_LIMIT_SECONDS if given.sample else LIMIT_SECONDS
            unchanged = None if kind == "lines" else original
            faults += run_cases(kind, cases, application, place, unchanged, limit)
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


def run_cases(
    kind: str,
    cases: list[WrongLine],
    application: App,
    place: Path,
    original: Path | None,
    limit_seconds: float,
) -> int:
    """Run cases in a place, print how they ended, and return the number of faults.

    Args:
        kind: What the cases are, for what is printed.
        cases: The cases.
        application: The command line.
        place: Where they run.
        original: What the place is at the beginning of each; None for one that stays empty.
        limit_seconds: How long a case may take.
    """
    if original is not None:
        restore(place, original)
    endings: Counter[str] = Counter()
    for case in cases:
        ending = run_forked(application, case.words, place, limit_seconds=limit_seconds)
        name = outcome(ending)
        endings[name] += 1
        if name not in ("one line", "accepted"):
            print(f"{kind}: {name}: {case.mistake}: ambivox {' '.join(map(ascii, case.words))}")
            print(f"    {ending.said[-SHOWN_CHARACTERS:].strip()!r} {ending.changed[:3]}", flush=True)
        if original is not None and ending.changed:
            restore(place, original, ending.changed)
    counts = ", ".join(f"{count} {name}" for name, count in endings.most_common())
    print(f"{kind}: {len(cases)} cases: {counts}", flush=True)
    return len(cases) - endings["one line"] - endings["accepted"]


def outcome(ending: Ending) -> str:
    """How a case ended, in words."""
    # doctor ends with 1 where something is missing, and shows what.
    if ending.code == 0 or (ending.code == 1 and ending.shown and not ending.said):
        return "accepted"
    if ending.code < 0:
        return "no end"
    if ending.is_one_line:
        return "changed files" if ending.changed else "one line"
    return f"exit code {ending.code}, {len(ending.said.splitlines())} lines"


if __name__ == "__main__":
    sys.exit(main())
