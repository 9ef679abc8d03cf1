"""Figures of the evaluation of fine-tuned models: scores, ambiguity, calibration, confusion, speaker groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ambivox.models.reporting.figures.style import (
    GREY,
    SCORE_AXES,
    SMALL,
    new_figure,
    plain_text,
    shared_legend,
    styled,
    value_column,
)
from ambivox.models.reporting.measures import HEADINGS, is_infinite, rank
from ambivox.models.reporting.source_names import source_colour, source_label
from ambivox.models.statistics.ambiguity import TERTILES

_PAPER_MARKERS = "*^vD"
_LINES = ("ceiling", "floor")
_GROUP_KINDS = ("sex", "age", "language")


@styled
def matrix_figure(
    metrics: Mapping[str, Any], paper: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None
) -> Figure:
    """Draw nll and JS of every row with their intervals, the best on top, with ceiling and floor as lines.

    Args:
        metrics: measures by row.
        paper: the paper's own measures by corpus and source, drawn in grey beside the JS of the rows ``<source>-on``.
    """
    rows = {name: row for name, row in metrics.items() if name not in _LINES and "js" in row}
    names = sorted(rows, key=lambda name: (rank(rows[name]), name))
    figure, grid = new_figure(columns=2, width=11, space=0.04, height=1.6 + 0.34 * len(names))
    for axes, score in zip(grid, ("nll", "js"), strict=True):
        for place, name in enumerate(names):
            if score in rows[name]:
                _draw_score(axes, rows[name], score, place, name)
            elif is_infinite(rows[name], score):
                axes.text(0.02, place, "infinite", transform=axes.get_yaxis_transform(), va="center")
        for line in _LINES:
            if score in metrics.get(line, {}):
                axes.axvline(
                    metrics[line][score],
                    color=source_colour(line),
                    linestyle="--" if line == "ceiling" else ":",
                    linewidth=1,
                    label=source_label(line),
                )
        labels = [source_label(name) for name in names] if axes is grid[0] else [""] * len(names)
        axes.set_yticks(range(len(names)), labels)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.margins(x=0.12)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"{SCORE_AXES[score]}, 95% interval")
        axes.set_title(f"{HEADINGS[score]}, test speakers")
    for (corpus, published), marker in zip((paper or {}).items(), _PAPER_MARKERS, strict=False):
        points = [
            (published[name.removesuffix("-on")]["js"], place)
            for place, name in enumerate(names)
            if name.endswith("-on") and name.removesuffix("-on") in published
        ]
        if points:
            js, places = zip(*points, strict=True)
            label = f"the paper, {corpus}"
            grid[1].plot(js, places, linestyle="", marker=marker, markersize=6, color="#999999", label=label)
    grid[1].set_xlim(left=0)
    shared_legend(figure, grid[1])
    return figure


def _draw_score(axes: Axes, row: Mapping[str, Any], score: str, place: int, name: str) -> None:
    """One row of the matrix: the score and its interval."""
    colour = source_colour(name)
    if f"{score}_low" in row:
        axes.plot([row[f"{score}_low"], row[f"{score}_high"]], [place, place], color=colour, linewidth=2)
    axes.plot(row[score], place, marker=_marker(name), color=colour)
    value_column(axes, place, f"{row[score]:.3f}", is_best=place == 0)


@styled
def tertiles_figure(metrics: Mapping[str, Any]) -> Figure | None:
    """Draw nll by ambiguity tertile (models/evaluation/ambiguity_strata.py), one line per row.

    None where too few votes were held out.

    Args:
        metrics: measures by row.
    """
    nll_by_row = {
        name: [row.get(f"nll_{tertile}_ambiguity") for tertile in TERTILES] for name, row in metrics.items()
    }
    nll_by_row = {name: nll for name, nll in nll_by_row.items() if None not in nll}
    if not nll_by_row:
        return None
    figure, (axes,) = new_figure(width=6.8)
    for name, nll in nll_by_row.items():
        axes.plot(
            TERTILES,
            nll,
            marker="o",
            markersize=4,
            linestyle=_line_style(name),
            color=source_colour(name),
            label=source_label(name),
        )
    axes.set_xlabel("ambiguity of held-out votes that are not the target (tertiles)")
    axes.set_ylabel(SCORE_AXES["nll"])
    axes.set_title("nll by ambiguity")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@styled
def calibration_figure(curves: pl.DataFrame, models: Sequence[str]) -> Figure | None:
    """Draw accuracy by confidence for each fine-tuned model; None where there is none.

    Args:
        curves: columns ``model``, ``confidence`` and ``accuracy``.
        models: the models to draw.
    """
    if not models:
        return None
    figure, (axes,) = new_figure(width=5.3, height=4.2)
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
def speaker_groups_figure(table: pl.DataFrame, models: Sequence[str]) -> Figure | None:
    """Draw nll by speaker group (sex, age, language), one point per fine-tuned model; None where there are no groups.

    Args:
        table: columns ``kind``, ``group``, ``model`` and ``nll``.
        models: the models to draw.
    """
    shown = table.filter(pl.col("kind").is_in(_GROUP_KINDS) & pl.col("model").is_in(models))
    groups = shown.select("kind", "group").unique(maintain_order=True).rows()
    if not groups:
        return None
    figure, (axes,) = new_figure(width=6.8, height=1.2 + 0.4 * len(groups))
    for name in models:
        rows = shown.filter(pl.col("model") == name)
        axes.plot(
            rows["nll"],
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
    axes.margins(x=0.05)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(SCORE_AXES["nll"])
    axes.set_title("nll by speaker group")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _marker(name: str) -> str:
    return "s" if name.endswith("-off") else "o"


def _line_style(name: str) -> str:
    return "--" if name.endswith("-off") else "-"
