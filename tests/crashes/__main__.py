"""``python -m tests.crashes [SCENARIO ...] [--work FOLDER] [--seed 0]``: the crash matrix in its long form.

Runs a small project once without a kill, then kills every step and command of it at random moments. Kills of ``ambivox
run``, of promotions and of removals of people are in the tests of flows/. Prints one line per scenario; ends with 1 where something was lost.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from pathlib import Path
from tempfile import mkdtemp

from tests.crashes.nursery import HEAVY, Nursery
from tests.crashes.scenarios import run_base, scenarios
from tests.crashes.trial import killed_and_resumed, remove, uninterrupted

# Per scenario: trials, and kills in each. The slow ones get fewer.
PLAN = {
    "ingest": (2, 6), "pretrain": (1, 6), "annotate": (2, 8), "annotate-fake": (3, 8), "pool": (2, 6), "validate": (2, 6), "trial": (2, 5),
    "augment": (2, 6), "finetune": (2, 8), "predict": (2, 5), "evaluate": (2, 5), "report": (2, 5), "plan-labels": (2, 5),
    "export-csv": (1, 6), "export-parquet": (1, 6), "export-huggingface": (1, 6), "export-audformat": (1, 6), "export-label_studio": (1, 6),
    "import-votes": (2, 6), "import-annotations": (1, 6), "release": (2, 6),
}  # fmt: skip


def main() -> int:
    """Run the matrix."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("scenarios", nargs="*")
    arguments.add_argument("--work", type=Path)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    work = (given.work or Path(mkdtemp(prefix="ambivox-crashes-"))).resolve()
    base = run_base(work / "base")
    rng = random.Random(given.seed)
    known = scenarios(base)
    nursery = Nursery(HEAVY)
    total = failed = 0
    for name in given.scenarios or PLAN:
        scenario, (trials, kills) = known[name], PLAN[name]
        started, killed, problem = time.monotonic(), 0, ""
        try:
            (work / name).mkdir(parents=True, exist_ok=True)
            remove(work / name)
            for number in range(trials + 1):
                folder = work / name / str(number)
                folder.mkdir(parents=True)
                if number == 0:
                    expected = uninterrupted(scenario, nursery, folder)
                else:
                    killed += killed_and_resumed(scenario, expected, nursery, folder, kills, rng)
            remove(work / name)
        except (AssertionError, OSError) as error:
            problem = f": {error}" if isinstance(error, AssertionError) else traceback.format_exc()
            failed += 1
        total += killed
        print(
            f"{name}: {killed} kills in {time.monotonic() - started:.0f} s, a run takes {expected.seconds:.1f} s{problem}",
            flush=True,
        )
    nursery.close()
    print(f"{total} kills, {failed} scenarios failed; seed {given.seed}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
