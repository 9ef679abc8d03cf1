"""The figure of a corpus's runs: quality, speed and cost through time, by ALM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ambivox.models.reporting.figures.style import GREY, new_figure, plain_text, shared_legend, styled
from ambivox.models.reporting.source_names import PALETTE
from ambivox.models.reporting.trends import TRENDS

_MARKERS = "os^Dv*PX"


@styled
def trends_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw nll of pooled, utterances per second and cost by run, one colour and marker per ALM.

    Args:
        rows: of the history, the oldest first; a figure that a run does not have is None or missing.
    """
    figure, grid = new_figure(columns=len(TRENDS), width=11, height=3.4, space=0.04)
    alms = list(dict.fromkeys(str(row.get("ALM")) for row in rows))
    for axes, (name, label) in zip(grid, TRENDS.items(), strict=True):
        known = [
            (run, row[name]) for run, row in enumerate(rows, 1) if isinstance(row.get(name), int | float)
        ]
        if known:
            axes.plot(*zip(*known, strict=True), color=GREY, linewidth=0.8, zorder=1)
        else:
            axes.text(0.5, 0.5, "not known of any run", transform=axes.transAxes, ha="center")
        for a, alm in enumerate(alms):
            own = [(run, value) for run, value in known if str(rows[run - 1].get("ALM")) == alm]
            axes.plot(
                [run for run, _ in own],
                [value for _, value in own],
                linestyle="",
                marker=_MARKERS[a % len(_MARKERS)],
                color=PALETTE[a % len(PALETTE)],
                label=plain_text(alm),
            )
        axes.set_xlim(0.5, max(len(rows), 1) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=8))
        axes.set_xlabel("run, from the oldest")
        axes.set_title(label)
    shared_legend(figure, grid[0])
    return figure
