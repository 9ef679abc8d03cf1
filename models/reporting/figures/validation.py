"""Pictures of validation: sources side by side, by ambiguity, by label, by speaker group; saturation; calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ambivox.models.evaluation.validation import Validation
from ambivox.models.evaluation.validation_tables import by_group, by_label, by_tertile
from ambivox.models.reporting.figures.style import COLOURS, PALETTE, figure
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.confidence_calibration import calibration_curve

_JS = "JS divergence (base 2) to the target votes"


def sources(made: Validation) -> Figure:
    """Mean JS of every source with intervals, the best on top."""
    found = {source: made.interval(js_N) for source, js_N in made.js.items()}
    order = sorted(found, key=lambda source: -np.nan_to_num(found[source].value, nan=9.0))
    picture, (axes,) = figure(width=6.4, height=0.42 * len(order) + 1.2)
    for y, source in enumerate(order):
        one = found[source]
        axes.errorbar(
            one.value,
            y,
            xerr=[[max(one.value - one.low, 0)], [max(one.high - one.value, 0)]],
            fmt="o",
            capsize=3,
            color=COLOURS.get(source, "#333333"),
        )
        axes.annotate(
            f"{one.value:.3f}", (one.value, y), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_yticks(range(len(order)), order)
    axes.set_ylim(-0.6, len(order) - 0.3)
    axes.set_xlabel(_JS + ", 95 % over speakers")
    axes.set_title("How close each source comes to other people's votes")
    return picture


def tertiles(made: Validation) -> Figure:
    """JS by ambiguity tertile and source, for both definitions of ambiguity."""
    tables = by_tertile(made)
    picture, grid = figure(columns=len(tables), width=9.0, height=3.4)
    for axes, (definition, table) in zip(grid, tables.items(), strict=True):
        _bars(axes, table, TERTILES)
        axes.set_title(
            f"ambiguity: {'plain entropy' if definition == 'entropy' else 'the paper’s definition'}"
        )
    grid[0].set_ylabel(_JS)
    handles, shown = grid[0].get_legend_handles_labels()
    picture.legend(handles, shown, loc="outside lower center", ncols=6, fontsize=8)
    return picture


def groups(made: Validation) -> Figure:
    """JS by speaker group and source; an empty axis says that the corpus knows no groups."""
    tables = {name: table for name, table in by_group(made).items() if table}
    picture, grid = figure(columns=max(len(tables), 1), width=9.0, height=3.2)
    if not tables:
        grid[0].text(0.5, 0.5, "speakers' sex and age are unknown", transform=grid[0].transAxes, ha="center")
    for axes, (name, table) in zip(grid, tables.items(), strict=False):
        _bars(axes, table, tuple(table))
        axes.set_title(name)
    grid[0].set_ylabel(_JS)
    handles, shown = grid[0].get_legend_handles_labels()
    if handles:
        picture.legend(handles, shown, loc="outside lower center", ncols=6, fontsize=8)
    return picture


def labels(made: Validation) -> Figure:
    """Mean probability of each label beside the humans' (a bias shows), and R2 per label."""
    table = by_label(made)
    picture, (left, right) = figure(columns=2, width=9.0, height=3.6)
    shown = [source for source in table if source != "prior"]
    width = 0.8 / (len(shown) + 1)
    at_K = np.arange(len(made.labels))
    left.bar(at_K - 0.4, made.truth_NK.mean(0), width, color="#333333", label="target votes", align="edge")
    for s, source in enumerate(shown):
        colour = COLOURS.get(source, PALETTE[s % len(PALETTE)])
        mean_K = [table[source][label]["mean"] for label in made.labels]
        r2_K = np.nan_to_num([table[source][label]["r2"] for label in made.labels])
        left.bar(at_K - 0.4 + (s + 1) * width, mean_K, width, color=colour, label=source, align="edge")
        right.bar(at_K - 0.4 + (s + 0.5) * width, r2_K, width, color=colour, align="edge")
    for axes, title in ((left, "mean probability"), (right, "R² per label")):
        axes.set_xticks(at_K, made.labels, rotation=30, ha="right")
        axes.set_title(title)
    right.set_ylim(bottom=max(right.get_ylim()[0], -1.0))
    handles, names = left.get_legend_handles_labels()
    picture.legend(handles, names, loc="outside lower center", ncols=6, fontsize=8)
    return picture


def saturation(made: Validation) -> Figure:
    """Mean JS of n synthetic votes, with the fitted curve and the saturation point."""
    picture, (axes,) = figure(width=6.4, height=3.4)
    for a, (alm, found) in enumerate(made.saturation.items()):
        colour = PALETTE[a % len(PALETTE)]
        axes.fill_between(found.votes_V, found.js_low_V, found.js_high_V, color=colour, alpha=0.2, lw=0)
        axes.plot(found.votes_V, found.js_V, "o", ms=4, color=colour, label=alm)
        smooth = np.linspace(1, found.votes_V[-1], 100)
        fitted = found.fitted(smooth)
        if fitted is not None:
            axes.plot(smooth, fitted, color=colour)
        axes.axhline(found.asymptote, color=colour, lw=0.8, ls=":")
        if found.point is not None and found.point <= found.votes_V[-1]:
            axes.axvline(found.point, color=colour, lw=0.8, ls="--")
            axes.annotate(
                f"saturates at {found.point}", (found.point, axes.get_ylim()[1]), fontsize=8, va="top"
            )
    if not made.saturation:
        axes.text(0.5, 0.5, "no ALM answered on the test split", transform=axes.transAxes, ha="center")
    else:
        axes.legend()
    axes.set_xlabel("synthetic votes")
    axes.set_ylabel("JS divergence (base 2)")
    axes.set_title("How many synthetic votes are enough")
    return picture


def calibration(made: Validation) -> Figure:
    """Accuracy against confidence of every source; the size of a point is the share of utterances."""
    picture, (axes,) = figure(width=4.6, height=4.2)
    axes.plot([0, 1], [0, 1], color="#888888", lw=0.8, ls="--")
    for source, p_NK in made.predictions.items():
        if source == "prior":
            continue
        curve = calibration_curve(made.truth_NK, p_NK)
        colour = COLOURS.get(source, "#333333")
        filled_B = curve.count_B > 0
        axes.plot(curve.confidence_B[filled_B], curve.accuracy_B[filled_B], color=colour, lw=1)
        axes.scatter(
            curve.confidence_B[filled_B],
            curve.accuracy_B[filled_B],
            160 * curve.count_B[filled_B] / len(p_NK) + 6,
            color=colour,
            label=f"{source} (ECE {curve.error:.3f})",
        )
    axes.set_xlabel("confidence: probability of the dominant emotion")
    axes.set_ylabel("accuracy")
    axes.set_title("Calibration")
    axes.legend(fontsize=8)
    return picture


def _bars(axes: Axes, table: dict[str, dict[str, Any]], columns: tuple[str, ...]) -> None:
    shown = list(next(iter(table.values())))
    width = 0.84 / len(shown)
    for s, source in enumerate(shown):
        cells = [table[column][source] for column in columns]
        mean_C = np.nan_to_num([cell["js"] for cell in cells])
        below_C = np.maximum(np.nan_to_num([cell["js"] - cell["low"] for cell in cells]), 0)
        above_C = np.maximum(np.nan_to_num([cell["high"] - cell["js"] for cell in cells]), 0)
        at_C = np.arange(len(columns)) - 0.42 + (s + 0.5) * width
        axes.bar(
            at_C, mean_C, width * 0.92, color=COLOURS.get(source, PALETTE[s % len(PALETTE)]), label=source
        )
        axes.errorbar(
            at_C, mean_C, [below_C, above_C], fmt="none", ecolor="#333333", elinewidth=0.8, capsize=1.5
        )
    axes.set_xticks(range(len(columns)), columns)
