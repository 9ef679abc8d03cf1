"""What a team sees in the Prefect UI: each stage's figures and pictures as artifacts, named so that people find them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.artifacts import create_markdown_artifact

if TYPE_CHECKING:
    from flows.pipeline import Stage

# The folder of data/<corpus>/ that a step fills, where it is not the step's own name.
FOLDERS = {
    "pool": "distributions",
    "annotate": "annotations",
    "validate": "validation",
    "evaluate": "evaluation",
    "ingest": "ingest",
}
_MOST_PICTURES = 4


def publish_stage(stage: Stage, project: Path) -> None:
    """Publish what a stage left behind as one markdown artifact, ``<corpus>-<step>``: its figures, then its pictures."""
    if stage.step not in FOLDERS:
        return
    folder = project / "data" / stage.corpus / FOLDERS[stage.step]
    parts = [f"# {stage.step} · {stage.corpus}"]
    metrics = folder / "metrics.json"
    if metrics.is_file():
        parts.append(_table(json.loads(metrics.read_text(encoding="utf-8"))))
    profile = folder / "profile.md"
    if profile.is_file():
        parts.append(profile.read_text(encoding="utf-8"))
    for picture in sorted(folder.glob("*.svg"))[:_MOST_PICTURES]:
        inline = base64.b64encode(picture.read_bytes()).decode("ascii")
        parts.append(f"![{picture.stem}](data:image/svg+xml;base64,{inline})")
    key = f"{stage.corpus}-{stage.step}".lower().replace("_", "-")
    create_markdown_artifact("\n\n".join(parts), key=key, description=f"Figures of {stage.address}")


def _table(metrics: dict[str, object]) -> str:
    """A markdown table of the rows of ``metrics.json`` that hold numbers: {row: {column: number}}."""
    rows = {name: row for name, row in metrics.items() if isinstance(row, dict)}
    columns = list(
        dict.fromkeys(c for row in rows.values() for c, v in row.items() if isinstance(v, int | float))
    )
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for name, row in rows.items():
        cells = (f"{row[c]:.3f}" if isinstance(row.get(c), int | float) else "" for c in columns)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
