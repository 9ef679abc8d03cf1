"""What ``evaluate`` writes: metrics.json for DVC, tables for plots, details for the report, pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.evaluation.finetuning_matrix import (
    TERTILES,
    Row,
    Targets,
    by_group,
    ceiling,
    paired,
    scores,
)
from ambivox.models.files import atomic_path, write_json
from ambivox.models.statistics.metrics import calibration_curve, confusion

# The paper's table 1 and figure 3 (arXiv 2601.14620), with DiME-Aug, four emotions: beside ours, not a target.
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


@dataclass(frozen=True)
class Evaluation:
    """What was written, for those who draw it: figures by row, calibration curves, speaker groups, and the
    best model's confusion counts (``confusion`` is its name, the labels and the counts).
    """

    metrics: dict[str, Any]
    calibration: pl.DataFrame
    models: list[str]
    groups: pl.DataFrame
    confusion: tuple[str, tuple[str, ...], list[list[int]]] | None


def write_evaluation(
    models: list[Row], references: list[Row], wanted: Targets, folder: Path, resamples: int, seed: int
) -> Evaluation:
    """Write tables and figures of every row into ``folder``.

    metrics.json holds {row: {figure: number}}; paper.json the paper's own; comparisons.json each model against
    ``human-on``; rows.csv, tertiles.csv and calibration.csv are for plots; groups.parquet is per speaker group;
    confusion.json counts dominant labels, targets in rows.

    Returns:
        What the pictures are drawn from.
    """
    rows = [*models, *references]
    metrics: dict[str, Any] = {row.name: scores(row, wanted, resamples, seed) for row in rows}
    limit = ceiling(wanted, seed)
    if limit:
        metrics["ceiling"] = limit
    comparisons = _comparisons(models, wanted, seed)
    best = min(models, key=lambda row: metrics[row.name].get("js", np.inf)) if models else None
    best_confusion = (best.name, wanted.labels, _confusion(best, wanted)) if best else None
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "paper.json", PAPER)
    write_json(folder / "comparisons.json", comparisons)
    write_json(folder / "confusion.json", {row.name: _confusion(row, wanted) for row in rows})
    _csv(_rows(metrics), folder / "rows.csv")
    _csv(_tertiles(metrics), folder / "tertiles.csv")
    curves = _calibration(rows, wanted)
    _csv(curves, folder / "calibration.csv")
    groups = by_group(rows, wanted)
    with atomic_path(folder / "groups.parquet") as temporary:
        groups.write_parquet(temporary)
    return Evaluation(metrics, curves, [row.name for row in models], groups, best_confusion)


def _comparisons(models: list[Row], wanted: Targets, seed: int) -> dict[str, Any]:
    """Each model's JS less that of ``human-on`` (or ``human-off``, where that was not trained)."""
    by_name = {row.name: row for row in models}
    baseline = by_name.get("human-on") or by_name.get("human-off")
    if baseline is None:
        return {}
    found = {}
    for row in models:
        if row is not baseline:
            test = paired(row, baseline, wanted, seed)
            found[f"{row.name} - {baseline.name}"] = {
                "js": {
                    "value": test.difference.value,
                    "low": test.difference.low,
                    "high": test.difference.high,
                },
                "p_value": test.p_value,
                "share_better": test.share_lower,
                "groups": test.groups,
            }
    return found


def _rows(metrics: dict[str, Any]) -> pl.DataFrame:
    names = (
        "js",
        "js_low",
        "js_high",
        "bc",
        "bc_low",
        "bc_high",
        "accuracy",
        "macro_f1",
        "weighted_f1",
        "ece",
        "r2",
        "entropy",
    )
    return pl.DataFrame(
        [{"model": row} | {name: figures.get(name) for name in names} for row, figures in metrics.items()]
    )


def _tertiles(metrics: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"model": row, "tertile": name, "js": figures[f"js_{name}_ambiguity"]}
            for row, figures in metrics.items()
            for name in TERTILES
            if f"js_{name}_ambiguity" in figures
        ],
        schema={"model": pl.String, "tertile": pl.String, "js": pl.Float64},
    )


def _calibration(rows: list[Row], wanted: Targets) -> pl.DataFrame:
    parts = []
    for row in rows:
        there = row.answered_N
        curve = calibration_curve(wanted.p_NK[there], row.q_NK[there])
        full = curve.count_B > 0
        parts.append(
            pl.DataFrame(
                {
                    "model": [row.name] * int(full.sum()),
                    "confidence": curve.confidence_B[full],
                    "accuracy": curve.accuracy_B[full],
                    "utterances": curve.count_B[full].astype(np.int64),
                }
            )
        )
    return pl.concat(parts)


def _confusion(row: Row, wanted: Targets) -> list[list[int]]:
    there = row.answered_N
    counts: list[list[int]] = confusion(wanted.p_NK[there], row.q_NK[there]).astype(int).tolist()
    return counts


def _csv(frame: pl.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        frame.write_csv(temporary, float_precision=6)
