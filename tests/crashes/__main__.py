"""``python -m tests.crashes [SCENARIO ...] [--work FOLDER] [--seed 0]``: the crash matrix in its long form.

Runs a small project once without a kill, then kills every step and command of it at random moments, ``ambivox run`` in
each of its stages, and the flow ``reannotate``. Kills of removals of people are in the tests of flows/. Prints one line
per scenario; ends with 1 where something was lost.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests.crashes.nursery import HEAVY, Nursery
from tests.crashes.reannotation import reannotation
from tests.crashes.scenarios import run_base, scenarios
from tests.crashes.trial import Scenario, killed_and_resumed, remove, uninterrupted

# Per scenario: trials, and kills in each. The slow ones get fewer.
PLAN = {
    "ingest": (2, 6), "pretrain": (1, 6), "annotate": (2, 8), "annotate-fake": (3, 8), "pool": (2, 6), "validate": (2, 6), "trial": (2, 5),
    "augment": (2, 6), "finetune": (2, 8), "predict": (2, 5), "evaluate": (2, 5), "report": (2, 5), "plan-labels": (2, 5),
    "export-csv": (1, 6), "export-parquet": (1, 6), "export-huggingface": (1, 6), "export-audformat": (1, 6), "export-label_studio": (1, 6),
    "import-votes": (2, 6), "import-annotations": (1, 6), "release": (2, 6), "annotate-vllm": (1, 6), "run": (1, 11), "reannotate": (1, 10),
}  # fmt: skip


def main() -> int:
    """Run the matrix."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("scenarios", nargs="*")
    arguments.add_argument("--work", type=Path)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--trials", type=int, nargs=2, metavar=("TRIALS", "KILLS"), help="per scenario")
    given = arguments.parse_args()
    work = (given.work or Path(mkdtemp(prefix="ambivox-crashes-"))).resolve()
    rng = random.Random(given.seed)
    nursery = Nursery(HEAVY)
    total = failed = 0
    for name in given.scenarios or PLAN:
        trials, kills = given.trials or PLAN[name]
        started, killed, seconds, problem = time.monotonic(), 0, 0.0, ""
        try:
            with _scenario(name, work) as scenario:
                (work / name).mkdir(parents=True, exist_ok=True)
                remove(work / name)
                for number in range(trials + 1):
                    folder = work / name / str(number)
                    folder.mkdir(parents=True)
                    if number == 0:
                        expected = uninterrupted(scenario, nursery, folder)
                        seconds = expected.seconds
                    else:
                        for _ in killed_and_resumed(scenario, expected, nursery, folder, kills, rng):
                            killed += 1
            remove(work / name)
        except (AssertionError, OSError) as error:
            problem = f": {error}" if isinstance(error, AssertionError) else traceback.format_exc()
            failed += 1
        total += killed
        print(
            f"{name}: {killed} kills in {time.monotonic() - started:.0f} s, a run takes {seconds:.1f} s{problem}",
            flush=True,
        )
    nursery.close()
    print(f"{total} kills, {failed} scenarios failed; seed {given.seed}")
    return int(failed > 0)


@contextmanager
def _scenario(name: str, work: Path) -> Iterator[Scenario]:
    if name == "reannotate":
        with reannotation(work / "team") as scenario:
            yield scenario
    else:
        yield scenarios(run_base(work / "base"))[name]


if __name__ == "__main__":
    sys.exit(main())
