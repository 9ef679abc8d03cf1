"""Figures of the evaluation of fine-tuned models: JS, ambiguity, calibration, confusion, speaker groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from ambivox.models.reporting.figures.style import (
    GREY,
    JS_AXIS,
    SMALL,
    new_figure,
    plain_text,
    shared_legend,
    styled,
)
from ambivox.models.reporting.source_names import source_colour, source_label
from ambivox.models.statistics.ambiguity import TERTILES

_PAPER_MARKERS = "*^vD"
_GROUP_KINDS = ("sex", "age", "language")


@styled
def matrix_figure(
    metrics: Mapping[str, Any], paper: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None
) -> Figure:
    """Draw the JS of every row with its interval, the best on top, and the human ceiling as a line.

    Args:
        metrics: measures by row.
        paper: the paper's own measures by corpus and source, drawn in grey beside the rows ``<source>-on``.
    """
    rows = {name: row for name, row in metrics.items() if name != "ceiling" and "js" in row}
    names = sorted(rows, key=lambda name: rows[name]["js"])
    figure, (axes,) = new_figure(height=1.6 + 0.36 * len(names))
    for place, name in enumerate(names):
        row, colour = rows[name], source_colour(name)
        axes.plot([row["js_low"], row["js_high"]], [place, place], color=colour, linewidth=2)
        axes.plot(row["js"], place, marker=_marker(name), color=colour)
        axes.annotate(
            f"{row['js']:.3f}",
            (row["js"], place),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )
    if "ceiling" in metrics:
        axes.axvline(
            metrics["ceiling"]["js"],
            color=source_colour("ceiling"),
            linestyle="--",
            linewidth=1,
            label=source_label("ceiling"),
        )
    for (corpus, published), marker in zip((paper or {}).items(), _PAPER_MARKERS, strict=False):
        points = [
            (published[name.removesuffix("-on")]["js"], place)
            for place, name in enumerate(names)
            if name.endswith("-on") and name.removesuffix("-on") in published
        ]
        if points:
            js, places = zip(*points, strict=True)
            label = f"the paper, {corpus}"
            axes.plot(js, places, linestyle="", marker=marker, markersize=6, color="#999999", label=label)
    axes.set_yticks(range(len(names)), [source_label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"{JS_AXIS} to the human votes, 95% interval over speakers")
    axes.set_title("JS on the test speakers (lower is better)")
    shared_legend(figure, axes)
    return figure


@styled
def tertiles_figure(metrics: Mapping[str, Any]) -> Figure:
    """Draw JS by ambiguity tertile of the human votes, one line per row.

    Args:
        metrics: measures by row.
    """
    figure, (axes,) = new_figure(width=6.8)
    for name, row in metrics.items():
        js = [row.get(f"js_{tertile}_ambiguity") for tertile in TERTILES]
        if None in js:
            continue
        axes.plot(
            TERTILES,
            js,
            marker="o",
            markersize=4,
            linestyle=_line_style(name),
            color=source_colour(name),
            label=source_label(name),
        )
    axes.set_xlabel("ambiguity of the human votes (tertiles)")
    axes.set_ylabel(JS_AXIS)
    axes.set_ylim(bottom=0)
    axes.set_title("JS by ambiguity")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@styled
def calibration_figure(curves: pl.DataFrame, models: Sequence[str]) -> Figure:
    """Draw accuracy by confidence for each fine-tuned model.

    Args:
        curves: columns ``model``, ``confidence`` and ``accuracy``.
        models: the models to draw.
    """
    figure, (axes,) = new_figure(width=5.6, height=4.2)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    for name in models:
        curve = curves.filter(pl.col("model") == name)
        axes.plot(
            curve["confidence"],
            curve["accuracy"],
            marker="o",
            markersize=4,
            linestyle=_line_style(name),
            color=source_colour(name),
            label=source_label(name),
        )
    axes.set_xlabel("confidence (largest probability)")
    axes.set_ylabel("accuracy of the dominant emotion")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_title("Calibration")
    if models:
        axes.legend(loc="upper left")
    return figure


@styled
def confusion_figure(counts: Sequence[Sequence[float]], labels: tuple[str, ...], name: str) -> Figure:
    """Draw the confusion matrix of dominant emotions: human votes in rows, coloured by the share of each row.

    Args:
        counts: K x K utterances, in fractions where labels tie; row: dominant emotion of the human votes, column: of the model.
        labels: the K labels.
        name: of the model.
    """
    count_KK = np.array(counts, dtype=float)
    total_K1 = count_KK.sum(axis=1, keepdims=True)
    share_KK = count_KK / np.where(total_K1 > 0, total_K1, 1)
    width = max(1.8 + 0.62 * len(labels), 4.0)
    figure, (axes,) = new_figure(width=width, height=1.4 + 0.52 * len(labels))
    axes.imshow(share_KK, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(share_KK.shape):
        axes.text(
            column,
            row,
            f"{count_KK[row, column]:.1f}".removesuffix(".0"),
            ha="center",
            va="center",
            fontsize=SMALL,
            color="white" if share_KK[row, column] > 0.55 else "#222222",
        )
    names = [plain_text(label) for label in labels]
    axes.set_xticks(range(len(labels)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), names)
    axes.set_xlabel("model")
    axes.set_ylabel("human votes")
    axes.grid(visible=False)
    axes.set_title(f"Dominant emotion: {source_label(name)}")
    return figure


@styled
def speaker_groups_figure(table: pl.DataFrame, models: Sequence[str]) -> Figure:
    """Draw JS by speaker group (sex, age, language), one point per fine-tuned model; or that there are no groups.

    Args:
        table: columns ``kind``, ``group``, ``model`` and ``js``.
        models: the models to draw.
    """
    shown = table.filter(pl.col("kind").is_in(_GROUP_KINDS) & pl.col("model").is_in(models))
    groups = shown.select("kind", "group").unique(maintain_order=True).rows()
    figure, (axes,) = new_figure(width=6.8, height=1.2 + 0.4 * max(1, len(groups)))
    if not groups:
        axes.set_axis_off()
        note = "sex, age and language of the speakers are unknown"
        axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center")
        return figure
    for name in models:
        rows = shown.filter(pl.col("model") == name)
        axes.plot(
            rows["js"],
            [groups.index(pair) for pair in rows.select("kind", "group").rows()],
            linestyle="",
            marker=_marker(name),
            markersize=5,
            color=source_colour(name),
            label=source_label(name),
            alpha=0.8,
        )
    axes.set_yticks(range(len(groups)), [plain_text(f"{kind}: {group}") for kind, group in groups])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.margins(x=0.05)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"{JS_AXIS} to the human votes")
    axes.set_title("JS by speaker group")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _marker(name: str) -> str:
    return "s" if name.endswith("-off") else "o"


def _line_style(name: str) -> str:
    return "--" if name.endswith("-off") else "-"
