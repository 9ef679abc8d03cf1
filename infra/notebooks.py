"""Run the notebooks of examples/ and store what they print: python infra/notebooks.py [NOTEBOOK...].

Only text is stored: no times, no counters, no HTML, so that a notebook changes where its code or its results do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SECONDS = 300


def executed(path: Path, folder: Path) -> Any:
    """A notebook with the results of this run.

    Args:
        path: The notebook.
        folder: The working folder of its code.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = {}
        if cell.cell_type == "code":
            cell["execution_count"] = None
            cell["outputs"] = [text_of(output) for output in cell.outputs]
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def text_of(output: Any) -> Any:
    """An output without what differs between runs and readers."""
    if output.output_type == "stream":
        return output
    return nbformat.v4.new_output(
        output.output_type,
        data={"text/plain": output.data["text/plain"]},
        **({"execution_count": None} if output.output_type == "execute_result" else {}),
    )


def main(paths: list[Path]) -> None:
    """Run these notebooks, or all, and write them."""
    for path in paths or sorted(EXAMPLES.glob("*.ipynb")):
        nbformat.write(executed(path, EXAMPLES), path)
        print(path)


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
