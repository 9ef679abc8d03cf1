"""Figures of an annotation run: the mean answer by persona, and the checks of the ALM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ambivox.models.reporting.figures.style import (
    DARK,
    JS_AXIS,
    SMALL,
    new_figure,
    plain_text,
    shared_legend,
    styled,
    tints,
)
from ambivox.models.reporting.reading import with_present_keys
from ambivox.models.reporting.source_names import source_colour
from ambivox.models.tables import Annotations

_LABEL_CHARACTERS = 14


@styled
def answers_figure(annotations: Annotations) -> Figure:
    """Draw the mean answer of each persona.

    Args:
        annotations: the answers of an ALM.
    """
    labels = annotations.labels
    figure, (axes,) = new_figure()
    personas = annotations.frame["persona"].unique(maintain_order=True).to_list()
    width = 0.8 / max(1, len(personas))
    colours = tints(source_colour("synthetic"), len(personas))
    for p, persona in enumerate(personas):
        mean_K = _mean_answer(annotations.frame.filter(pl.col("persona") == persona), labels)
        at_K = np.arange(len(labels)) - 0.4 + (p + 0.5) * width
        axes.bar(at_K, mean_K, width * 0.9, color=colours[p], label=plain_text(persona).replace("_", " "))
    axes.set_xticks(range(len(labels)), [plain_text(label[:_LABEL_CHARACTERS]) for label in labels])
    axes.set(title="Mean answer of the ALM", ylabel="mean probability")
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)
    if len(personas) > 1:
        shared_legend(figure, axes, 2)
    return figure


@styled
def checks_figure(checks: Mapping[str, Any], labels: tuple[str, ...]) -> Figure:
    """Draw the mean share of each option position, and how much each change of the input changes the answers.

    Args:
        checks: what checks.json holds.
        labels: the K labels.
    """
    checks = with_present_keys("checks.json", dict(checks))
    figure, (left, right) = new_figure(columns=2, width=9.6)
    _draw_positions(left, checks["order_bias"]["positions"], len(labels))
    _draw_changes(right, checks)
    return figure


def _draw_positions(axes: Axes, shares: list[float], options: int) -> None:
    if shares:
        axes.bar(range(1, len(shares) + 1), shares, color=source_colour("synthetic"))
        axes.axhline(1 / options, color=DARK, linestyle="--", label="no position bias")
        axes.set_ylim(top=1.25 * max(*shares, 1 / options))
        axes.legend(loc="upper right")
    axes.set(title="Position bias", xlabel="position of the option", ylabel="mean probability")
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)


def _draw_changes(axes: Axes, checks: Mapping[str, Any]) -> None:
    js = {
        "other audio (canary)": checks["canary"]["js"],
        "other option order": checks["order_bias"]["js"],
        **{pair.replace(" / ", " vs. "): value for pair, value in checks["modalities"]["js"].items()},
    }
    known = {change: value for change, value in js.items() if value is not None}
    axes.barh(list(known), list(known.values()), color=source_colour("synthetic"))
    axes.axvline(checks["canary"]["threshold_js"], color=DARK, linestyle="--", label="canary threshold")
    axes.invert_yaxis()
    axes.set(title="Effect on the answers", xlabel=f"mean {JS_AXIS}")
    axes.legend(loc="lower right")
    axes.grid(axis="y", visible=False)


def _mean_answer(rows: pl.DataFrame, labels: tuple[str, ...]) -> np.ndarray:
    exact = rows.drop_nulls("logprobs")
    if exact.height:
        return np.asarray(np.exp(np.array(exact["logprobs"].to_list())).mean(axis=0))
    counts = dict(rows.drop_nulls("label").group_by("label").len().iter_rows())
    total = max(1, sum(counts.values()))
    return np.array([counts.get(label, 0) / total for label in labels])
