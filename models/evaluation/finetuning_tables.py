"""The files of the evaluation: metrics.json for DVC, tables for plots, details for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.finetuning_matrix import (
    calibration_curves,
    compare_with_baseline,
    confusion_counts,
    metrics_by_model,
)
from ambivox.models.evaluation.human_targets import HumanTargets
from ambivox.models.evaluation.predictions import Prediction
from ambivox.models.evaluation.scores import DIVERGENCES
from ambivox.models.evaluation.speaker_groups import by_speaker_group
from ambivox.models.files import atomic_path, write_json
from ambivox.models.spreadsheet_cells import without_formulas
from ambivox.models.statistics.ambiguity import TERTILES

# The paper's table 1 and figure 3 (arXiv 2601.14620), with DiME-Aug, four emotions: for reference, not a target.
PAPER = {
    "IEMOCAP": {
        "human": {"js": 0.302, "bc": 0.724},
        "synthetic": {"js": 0.431, "bc": 0.607},
        "combined": {"js": 0.325, "bc": 0.715},
    },
    "MSP-Podcast": {
        "human": {"js": 0.307, "bc": 0.719},
        "synthetic": {"js": 0.373, "bc": 0.660},
        "combined": {"js": 0.274, "bc": 0.757},
    },
}
_PLOTTED = (
    "nll",
    "nll_low",
    "nll_high",
    "squared_error",
    "squared_error_low",
    "squared_error_high",
    "js",
    "js_low",
    "js_high",
    "bc",
    "bc_low",
    "bc_high",
    "accuracy",
    "f1_macro",
    "f1_weighted",
    "ece",
    "r2",
    "entropy",
)


@dataclass(frozen=True)
class Evaluation:
    """What was written, for the figures.

    Attributes:
        metrics: metric rows by model.
        calibration: calibration curves.
        models: names of the fine-tuned models.
        groups: figures by speaker group.
        confusion: name, labels and confusion counts of the model with the lowest nll; None without models.
    """

    metrics: dict[str, dict[str, float]]
    calibration: pl.DataFrame
    models: list[str]
    groups: pl.DataFrame
    confusion: tuple[str, tuple[str, ...], list[list[float]]] | None


def write_evaluation(
    models: Sequence[Prediction],
    references: Sequence[Prediction],
    targets: HumanTargets,
    folder: Path,
    seed: int,
) -> Evaluation:
    """Evaluate models and references, and write all tables.

    metrics.json holds a metric row per model, paper.json the paper's figures, comparisons.json the paired tests
    against ``human-on``; rows.csv, tertiles.csv and calibration.csv are for plots; groups.parquet holds figures by
    speaker group; confusion.json the counts of dominant emotions, the humans' in rows.

    Args:
        models: predictions of the fine-tuned models.
        references: predictions of the references.
        targets: the human votes.
        folder: where the files go.
        seed: of all drawing.
    """
    predictions = [*models, *references]
    metrics = metrics_by_model(predictions, targets, seed=seed)
    confusion = {model.name: confusion_counts(model, targets) for model in predictions}
    best = min(
        (model.name for model in models), key=lambda name: metrics[name].get("nll", np.inf), default=None
    )
    calibration, groups = calibration_curves(predictions, targets), by_speaker_group(predictions, targets)
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "paper.json", PAPER)
    write_json(folder / "comparisons.json", compare_with_baseline(models, targets, seed=seed))
    write_json(folder / "confusion.json", confusion)
    _write_csv(_rows(metrics), folder / "rows.csv")
    _write_csv(_tertiles(metrics), folder / "tertiles.csv")
    _write_csv(calibration, folder / "calibration.csv")
    with atomic_path(folder / "groups.parquet") as temporary:
        groups.write_parquet(temporary)
    return Evaluation(
        metrics,
        calibration,
        [model.name for model in models],
        groups,
        (best, targets.labels, confusion[best]) if best is not None else None,
    )


def _rows(metrics: dict[str, dict[str, float]]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"model": name} | {figure: row.get(figure) for figure in _PLOTTED} for name, row in metrics.items()]
    )


def _tertiles(metrics: dict[str, dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"model": name, "tertile": tertile}
            | {score: row.get(f"{score}_{tertile}_ambiguity") for score in DIVERGENCES}
            for name, row in metrics.items()
            for tertile in TERTILES
            if f"js_{tertile}_ambiguity" in row
        ],
        schema={"model": pl.String, "tertile": pl.String} | dict.fromkeys(DIVERGENCES, pl.Float64),
    )


def _write_csv(frame: pl.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        without_formulas(frame).write_csv(temporary, float_precision=6)
