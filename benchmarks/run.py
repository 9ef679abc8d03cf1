"""Run rows of benchmarks/RESULTS.md, and write the page.

python -m benchmarks.run                       # all rows
python -m benchmarks.run votes --scale 10      # one row, ten times its size
python -m benchmarks.run --list
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from ambivox.models.registry import keys
from ambivox.models.reporting.figures.style import save
from benchmarks import rows as row_modules
from benchmarks.harness import measure, row_named, run_child
from benchmarks.results_page import PICTURE, page
from benchmarks.results_picture import ratios_figure

FOLDER = Path(__file__).parent


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", help="names of rows; all without any")
    parser.add_argument("--scale", type=float, default=1.0, help="of the work")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=FOLDER / "RESULTS.md")
    parser.add_argument("--list", action="store_true", help="show the rows and do nothing else")
    parser.add_argument("--method", help="measure this method alone, in this process")
    parser.add_argument("--folder", type=Path, help="the inputs for --method")
    options = parser.parse_args()
    names = options.rows or keys(row_modules)
    if options.list:
        for name in names:
            print(f"{name:14} {row_named(name).title}")
        return
    if options.method:
        run_child(names[0], options.method, options.folder)
        return
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            result = measure(name, Path(folder), options.scale, options.rounds)
        figures = options.out.parent / "results" / "rows.json"
        figures.parent.mkdir(parents=True, exist_ok=True)
        known = json.loads(figures.read_text(encoding="utf-8")) if figures.is_file() else {}
        known[name] = result
        figures.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        known = dict(sorted(known.items()))
        save(ratios_figure(known), options.out.parent / PICTURE)
        options.out.write_text(page(known), encoding="utf-8")
        for alternative, ratio in result["ratios"].items():
            print(
                f"{name}: {alternative} takes {ratio['processor']['median']:.3g} times our processor time",
                flush=True,
            )


if __name__ == "__main__":
    main()
