"""The code that each stage of dvc.yaml depends on, from the import graph. `make stages` writes it into dvc.yaml."""

from __future__ import annotations

import re
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
# Messages, progress bars and how files and processes end and are counted: they decide no output.
UNDECIDING = {"errors", "logs", "processes", "progress", "temporary_files", "token_count"}


def code_of(graph: grimp.ImportGraph, step: str) -> set[str]:
    """The packages and files below models/ that a step imports, directly or not."""
    paths = set()
    for module in graph.find_upstream_modules(f"ambivox.tasks.{step}"):
        _, layer, *names = module.split(".")
        if layer != "models" or not names or names[0] in UNDECIDING:
            continue
        # All steps draw figures; only `report` makes the page.
        depth = 2 if names[0] == "reporting" and step != "report" else 1
        if len(names) >= depth:
            path = Path("models", *names[:depth])
            paths.add(str(path if (ROOT / path).is_dir() else path.with_suffix(".py")))
    return paths


def with_code(text: str, graph: grimp.ImportGraph) -> str:
    """dvc.yaml's text with the dependencies on code as they have to be."""

    def block(match: re.Match[str]) -> str:
        indent, step = match["indent"], match["step"]
        return "".join(f"{indent}- {path}\n" for path in (f"tasks/{step}.py", *sorted(code_of(graph, step))))

    return re.sub(r"(?P<indent> +)- tasks/(?P<step>\w+)\.py\n(?: +- models/\S+\n)*", block, text)


if __name__ == "__main__":
    path = ROOT / "dvc.yaml"
    path.write_text(with_code(path.read_text(), grimp.build_graph("ambivox")))
