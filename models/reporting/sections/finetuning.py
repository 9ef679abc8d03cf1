"""Fine-tuning: the models' training and their metrics on the test speakers, beside the references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambivox.models.left_out import NOTE
from ambivox.models.reporting.estimates import display_name, format_estimate, parse_measure
from ambivox.models.reporting.json_tables import json_tables
from ambivox.models.reporting.parts import Section, pictures
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.source_names import source_label
from ambivox.models.reporting.tables import Table

#: Measure -> its heading; the arrow points to the better end.
_MEASURES = {"js": "JS ↓", "bc": "BC ↑", "accuracy": "accuracy ↑", "f1_macro": "macro F1 ↑", "ece": "ECE ↓"}


def finetuning(run: Run) -> Section:
    """Describe the fine-tuned models, the ALM without fine-tuning, the corpus prior and the human ceiling."""
    section = Section("finetuning", "Fine-tuning and evaluation")
    metrics = run.json("evaluation/metrics.json")
    section.tables = _matrix_tables(metrics)
    section.details = json_tables(metrics)
    for path in sorted((run.root / "evaluation").glob("*.json")):
        if path.name not in ("metrics.json", NOTE):
            section.details += json_tables(run.json(f"evaluation/{path.name}"), display_name(path.stem))
    section.pictures = pictures(run.root / "evaluation") + pictures(run.root / "finetuned")
    return section


def _matrix_tables(metrics: Mapping[str, Any]) -> list[Table]:
    ranked = []
    for name, measures in metrics.items():
        estimates = [parse_measure(measures, measure) for measure in _MEASURES]
        if estimates[0] is not None:
            cells = [source_label(name), *(format_estimate(estimate) for estimate in estimates)]
            ranked.append((estimates[0].value, name, cells))
    if not ranked:
        return []
    rows = [cells for _, _, cells in sorted(ranked)]
    caption = "Distance to the human votes of the test speakers, best model first"
    return [Table.of(["model", *_MEASURES.values()], rows, caption)]
