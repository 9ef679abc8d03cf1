"""The picture of benchmarks/RESULTS.md: what the alternatives take, as multiples of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ambivox.models.reporting.figures.style import (
    DARK,
    GREY,
    SMALL,
    new_figure,
    plain_text,
    styled,
    value_column,
)
from ambivox.models.reporting.source_names import PALETTE
from benchmarks.results_page import number


@styled
def ratios_figure(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the ratios of processor times, their ranges over the rounds, and the targets.

    Args:
        rows: what ``harness.measure`` returned, by the row's name.
    """
    bars = [
        (name, alternative, ratio["processor"], row["targets"].get(alternative))
        for name, row in rows.items()
        for alternative, ratio in row["ratios"].items()
    ]
    figure, (axes,) = new_figure(width=8.5, height=1.2 + 0.36 * len(bars))
    for y, (_, _, ratio, target) in enumerate(bars):
        is_met = target is None or ratio["median"] >= target
        axes.barh(y, ratio["median"] - 1, left=1, height=0.6, color=PALETTE[0] if is_met else PALETTE[1])
        axes.plot([ratio["low"], ratio["high"]], [y, y], color=DARK, linewidth=1.2)
        if target is not None:
            axes.plot([target, target], [y - 0.42, y + 0.42], color=DARK, linewidth=2)
        value_column(axes, y, number(ratio["median"]))
    axes.axvline(1, color=GREY, linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda ratio, _: f"{ratio:,g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(
        range(len(bars)),
        [plain_text(f"{name}: {alternative}") for name, alternative, _, _ in bars],
        fontsize=SMALL,
    )
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("processor time, as a multiple of ours")
    return figure
