"""What was trained on them: class balance, fine-tuning, and the matrix."""

from __future__ import annotations

from typing import Any

from ambivox.models.reporting.estimates import estimate, written
from ambivox.models.reporting.parts import Section, Sheet, pictures, sheets
from ambivox.models.reporting.reading import Run


def augmentation(run: Run) -> Section:
    """What DiME-Aug added to which class."""
    section = Section("augmentation", "Class balance: DiME-Aug")
    for folder in sorted(path for path in (run.root / "augmented").glob("*") if path.is_dir()):
        for path in sorted(folder.glob("*.json")):
            section.sheets += sheets(
                run.json(f"augmented/{folder.name}/{path.name}"), f"{folder.name}: {path.stem}"
            )
    section.pictures = pictures(run.root / "augmented")
    return section


def finetuning(run: Run) -> Section:
    """The fine-tuned models' training and their figures on the test speakers, beside zero-shot and prior."""
    section = Section("finetuning", "Fine-tuning and evaluation")
    metrics = run.json("evaluation/metrics.json")
    section.sheets = _matrix(metrics)
    section.details = sheets(metrics)
    for path in sorted((run.root / "evaluation").glob("*.json")):
        if path.name != "metrics.json":
            section.details += sheets(run.json(f"evaluation/{path.name}"), path.stem.replace("_", " "))
    section.pictures = pictures(run.root / "evaluation") + pictures(run.root / "finetuned")
    return section


def _matrix(metrics: dict[str, Any]) -> list[Sheet]:
    rows = []
    for name, measures in _rows_of(metrics):
        wanted = ("js", "bc", "accuracy", "f1_macro", "ece")
        figures = [estimate(measures, measure) for measure in wanted]
        if figures[0] is not None:
            rows.append((figures[0].value, [name, *(written(figure) for figure in figures)]))
    ranked = [row for _, row in sorted(rows, key=lambda row: (row[0], row[1][0]))]
    columns = ["model", "JS ↓", "BC ↑", "accuracy ↑", "macro F1 ↑", "ECE ↓"]
    return (
        [Sheet("Against the human votes of the test speakers, best first", columns, ranked, wide=True)]
        if ranked
        else []
    )


def _rows_of(metrics: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    for place in (metrics, metrics.get("models"), metrics.get("matrix"), metrics.get("rows")):
        if isinstance(place, dict):
            found = [
                (name, inner) for name, inner in place.items() if isinstance(inner, dict) and "js" in inner
            ]
            if found:
                return found
    return []
