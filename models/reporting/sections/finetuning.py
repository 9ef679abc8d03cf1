"""Fine-tuning: the models' training and their metrics on the test speakers, beside the references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambivox.models.left_out import NOTE
from ambivox.models.reporting.estimates import display_name, parse_measure
from ambivox.models.reporting.json_tables import json_tables
from ambivox.models.reporting.measures import HEADINGS, format_measure, rank
from ambivox.models.reporting.parts import Section, pictures
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.source_names import source_label
from ambivox.models.reporting.tables import Table

_HEADINGS = HEADINGS | {"f1_macro": "macro F1 ↑", "ece": "ECE ↓"}


def finetuning(run: Run) -> Section:
    """Describe the fine-tuned models, the ALM without fine-tuning, baselines, corpus prior, human ceiling and floor."""
    section = Section("finetuning", "Fine-tuning and evaluation")
    metrics = run.json("evaluation/metrics.json")
    folders = [f"finetuned/{folder.name}" for folder in sorted((run.root / "finetuned").glob("*"))]
    section.warnings += [
        f"No model was fine-tuned: {reason}." for reason in dict.fromkeys(run.left_out(*folders))
    ]
    section.tables = _matrix_tables(metrics)
    section.details = json_tables(metrics)
    for path in sorted((run.root / "evaluation").glob("*.json")):
        if path.name not in ("metrics.json", NOTE):
            section.details += json_tables(run.json(f"evaluation/{path.name}"), display_name(path.stem))
    section.pictures = pictures(run, "evaluation") + pictures(run, "finetuned")
    return section


def _matrix_tables(metrics: Mapping[str, Any]) -> list[Table]:
    ranked = sorted(
        (name for name, measures in metrics.items() if parse_measure(measures, "js") is not None),
        key=lambda name: (rank(metrics[name]), name),
    )
    if not ranked:
        return []
    rows = [
        [source_label(name), *(format_measure(metrics[name], measure) for measure in _HEADINGS)]
        for name in ranked
    ]
    caption = "Distance to the human votes of the test speakers, best model first"
    return [Table.of(["model", *_HEADINGS.values()], rows, caption)]
