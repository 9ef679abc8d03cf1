"""Pictures of the evaluation: the matrix, ambiguity, calibration, confusion, groups of speakers."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from ambivox.models.reporting.figures.style import COLOURS, PALETTE, figure
from ambivox.models.statistics.ambiguity import TERTILES

_PAPER_MARKERS = "*^vD"


def matrix(metrics: dict[str, Any], paper: dict[str, dict[str, dict[str, float]]] | None = None) -> Figure:
    """JS of every row, best at the top, with its interval; the ceiling as a line.

    Args:
        metrics: figures by row.
        paper: the paper's own figures by corpus and source, drawn in grey beside the rows ``<source>-on``.
    """
    rows = {name: row for name, row in metrics.items() if name != "ceiling" and "js" in row}
    names = sorted(rows, key=lambda name: rows[name]["js"])
    made, (axes,) = figure(height=1.1 + 0.36 * len(names))
    for place, name in enumerate(names):
        row = rows[name]
        axes.plot([row["js_low"], row["js_high"]], [place, place], color=colour(name), linewidth=2)
        axes.plot(row["js"], place, marker="o" if not name.endswith("-off") else "s", color=colour(name))
        axes.annotate(
            f"{row['js']:.3f}",
            (row["js_high"], place),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    if "ceiling" in metrics:
        axes.axvline(metrics["ceiling"]["js"], color=COLOURS["ceiling"], linestyle="--", linewidth=1)
        axes.text(
            metrics["ceiling"]["js"],
            len(names) - 0.4,
            " people among themselves",
            fontsize=8,
            color=COLOURS["ceiling"],
        )
    for (corpus, published), marker in zip((paper or {}).items(), _PAPER_MARKERS, strict=False):
        beside = [
            (published[name[:-3]]["js"], place)
            for place, name in enumerate(names)
            if name.endswith("-on") and name[:-3] in published
        ]
        if beside:
            axes.plot(
                *zip(*beside, strict=True),
                linestyle="",
                marker=marker,
                markersize=6,
                color="#999999",
                label=f"the paper, {corpus}",
            )
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower left", fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.2, -0.6)
    axes.set_xlim(left=0)
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("JS to the human votes (base 2; less is better), 95 % interval over speakers")
    axes.set_title("The matrix on test speakers")
    return made


def tertiles(metrics: dict[str, Any]) -> Figure:
    """JS by ambiguity of the human votes, a line a row."""
    made, (axes,) = figure(width=6.8)
    for name, row in metrics.items():
        found = [row.get(f"js_{tertile}_ambiguity") for tertile in TERTILES]
        if None in found:
            continue
        style = "--" if name.endswith("-off") else "-"
        axes.plot(TERTILES, found, marker="o", markersize=4, linestyle=style, color=colour(name), label=name)
    axes.set_xlabel("ambiguity of the human votes (thirds by rank)")
    axes.set_ylabel("JS (base 2)")
    axes.set_ylim(bottom=0)
    axes.set_title("Where people disagree")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return made


def calibration(curves: pl.DataFrame, models: list[str]) -> Figure:
    """What confidence was claimed and what came true, by fine-tuned model."""
    made, (axes,) = figure(width=5.6, height=4.2)
    axes.plot([0, 1], [0, 1], color="#888888", linestyle=":", linewidth=1)
    for name in models:
        curve = curves.filter(pl.col("model") == name)
        style = "--" if name.endswith("-off") else "-"
        axes.plot(
            curve["confidence"],
            curve["accuracy"],
            marker="o",
            markersize=4,
            linestyle=style,
            color=colour(name),
            label=name,
        )
    axes.set_xlabel("confidence: the top probability")
    axes.set_ylabel("accuracy on the dominant emotion")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_title("Calibration")
    axes.legend(loc="upper left", fontsize=8)
    return made


def confusion(counts: list[list[int]], labels: tuple[str, ...], name: str) -> Figure:
    """Dominant emotions, people's in rows; shares of each row."""
    count_KK = np.array(counts, dtype=float)
    share_KK = count_KK / np.maximum(count_KK.sum(axis=1, keepdims=True), 1)
    made, (axes,) = figure(width=1.8 + 0.62 * len(labels), height=1.4 + 0.52 * len(labels))
    axes.imshow(share_KK, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(share_KK.shape):
        dark = share_KK[row, column] > 0.55
        axes.text(
            column,
            row,
            f"{count_KK[row, column]:.0f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "#222222",
        )
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("model")
    axes.set_ylabel("people")
    axes.grid(visible=False)
    axes.set_title(f"Dominant emotion: {name}")
    return made


def groups(table: pl.DataFrame, models: list[str]) -> Figure:
    """JS by group of speakers (sex, age, language), a dot a fine-tuned model."""
    shown = table.filter(pl.col("kind").is_in(["sex", "age", "language"]) & pl.col("model").is_in(models))
    names = shown.select("kind", "group").unique(maintain_order=True).rows()
    made, (axes,) = figure(width=6.8, height=1.2 + 0.4 * max(1, len(names)))
    for name in models:
        rows = shown.filter(pl.col("model") == name)
        places = [names.index(pair) for pair in rows.select("kind", "group").rows()]
        axes.plot(
            rows["js"],
            places,
            linestyle="",
            marker="s" if name.endswith("-off") else "o",
            markersize=5,
            color=colour(name),
            label=name,
            alpha=0.8,
        )
    axes.set_yticks(range(len(names)), [f"{kind}: {group}" for kind, group in names])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("JS to the human votes (base 2)")
    axes.set_title("By group of speakers")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return made


def colour(name: str) -> str:
    """A row's colour: that of its source."""
    for known, code in COLOURS.items():
        if name.startswith(known):
            return code
    return PALETTE[-1]
