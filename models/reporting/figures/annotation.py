"""Pictures of an annotation run: what the answers look like, and what moves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.reporting.figures.style import COLOURS, PALETTE, figure, save
from ambivox.models.tables import Annotations


def draw_annotation(annotations: Annotations, checks: dict[str, Any], folder: Path) -> list[Path]:
    """Write answers.svg (mean answer of each persona) and checks.svg (positions, what the ALM listens to)."""
    return [
        _answers(annotations, folder / "answers.svg"),
        _checks(annotations, checks, folder / "checks.svg"),
    ]


def _answers(annotations: Annotations, path: Path) -> Path:
    labels = annotations.labels
    made, (axes,) = figure()
    personas = annotations.frame["persona"].unique(maintain_order=True).to_list()
    width = 0.8 / max(1, len(personas))
    for number, persona in enumerate(personas):
        rows = annotations.frame.filter(pl.col("persona") == persona)
        share_K = _mean_answer(rows, labels)
        left = np.arange(len(labels)) - 0.4 + (number + 0.5) * width
        axes.bar(left, share_K, width=width * 0.9, color=PALETTE[number % len(PALETTE)], label=persona)
    axes.set_xticks(range(len(labels)), [label[:14] for label in labels])
    axes.set(title="What the ALM says, by persona", ylabel="mean share")
    axes.set_ylim(bottom=0)
    if len(personas) > 1:
        axes.legend(ncols=2)
    return save(made, path)


def _checks(annotations: Annotations, checks: dict[str, Any], path: Path) -> Path:
    made, (left, right) = figure(columns=2, width=8.4)
    positions = checks["order_bias"]["positions"]
    if positions:
        left.bar(range(1, len(positions) + 1), positions, color=COLOURS["synthetic"])
        left.axhline(1 / len(annotations.labels), color=COLOURS["ceiling"], linestyle="--", label="no bias")
        left.legend()
    left.set(title="Share by position of the option", xlabel="position", ylabel="mean share")
    left.set_ylim(bottom=0)
    moved = {"other clip's audio": checks["canary"]["js"], "order of options": checks["order_bias"]["js"]}
    moved |= checks["modalities"]["js"]
    known = {name: value for name, value in moved.items() if value is not None}
    right.barh(list(known), list(known.values()), color=COLOURS["synthetic"])
    right.axvline(checks["canary"]["threshold_js"], color=COLOURS["ceiling"], linestyle="--")
    right.invert_yaxis()
    right.set(title="What moves its answers", xlabel="mean JS divergence (bits)")
    return save(made, path)


def _mean_answer(rows: pl.DataFrame, labels: tuple[str, ...]) -> np.ndarray:
    spread = rows.drop_nulls("logprobs")
    if spread.height:
        return np.asarray(np.exp(np.array(spread["logprobs"].to_list())).mean(axis=0))
    counts = dict(rows.drop_nulls("label").group_by("label").len().iter_rows())
    total = max(1, sum(counts.values()))
    return np.array([counts.get(label, 0) / total for label in labels])
