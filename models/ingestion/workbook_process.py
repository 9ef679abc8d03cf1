"""Reading a workbook in a process of its own, as a program: ``python workbook_process.py WORKBOOK FOLDER``.

A workbook of a few kilobytes may name a cell in the last row and column of a sheet, or hold gigabytes of zeros: the
library then takes hundreds of gigabytes, or aborts the process. Here that ends this process only. It writes each sheet to
FOLDER/NUMBER.parquet, all cells as text, and the names of the sheets to FOLDER/sheets.json; where it cannot, it prints one
line and ends with 1.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

LARGEST_BYTES = 6 << 30  # of address space: Python and the library take one of them
MOST_CELLS = 50_000_000  # of all sheets together


def main(workbook: str, folder: str) -> int:
    """Read a workbook; returns the exit code."""
    import fastexcel

    try:
        reader = fastexcel.read_excel(workbook)
        cells = 0
        for number, name in enumerate(reader.sheet_names):
            frame = reader.load_sheet(name, header_row=None, skip_rows=0, dtypes="string").to_polars()
            cells += frame.height * frame.width
            if cells > MOST_CELLS:
                print(f"more than {MOST_CELLS:,} cells")
                return 1
            frame.write_parquet(Path(folder) / f"{number}.parquet", compression="lz4")
    except Exception as error:  # noqa: BLE001 - the library raises errors of many types about damaged files
        print(str(error).splitlines()[0] if str(error) else type(error).__name__)
        return 1
    (Path(folder) / "sheets.json").write_text(json.dumps(reader.sheet_names), encoding="utf-8")
    return 0


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > LARGEST_BYTES:
        resource.setrlimit(resource.RLIMIT_AS, (LARGEST_BYTES, hard))
    sys.exit(main(*sys.argv[1:]))
