"""The figure of the sparse-vote trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ambivox.models.reporting.figures.bars import grouped_bars
from ambivox.models.reporting.figures.style import DARK, new_figure, shared_legend, styled
from ambivox.models.statistics.ambiguity import TERTILES

_SOURCES = ("human_prior", "human_mixture", "synthetic", "combined", "pooled", "intent")


@styled
def squared_error_ratio_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw squared error relative to the human votes alone: by number of kept votes, overall and by ambiguity.

    Args:
        rows: of the trial, one per number of kept votes and source. A ratio below 1 is better than the votes alone.
    """
    kept = sorted({row["votes"] for row in rows})
    by_key = {(row["votes"], row["source"]): row for row in rows}
    sources = [source for source in _SOURCES if (kept[0], source) in by_key]
    figure, grid = new_figure(columns=len(kept) + 1, width=2.75 * (len(kept) + 1), height=3.7)
    overall = {source: [by_key[k, source]["squared_error_over_human"] for k in kept] for source in sources}
    grouped_bars(grid[0], [str(k) for k in kept], overall)
    grid[0].set_xlabel("human votes kept")
    grid[0].set_ylabel("squared error relative to\nthe human votes alone")
    grid[0].set_title("Overall")
    for axes, k in zip(grid[1:], kept, strict=True):
        axes.set_title(f"{k} vote{'s' if k > 1 else ''} kept")
        axes.set_xlabel("ambiguity")
        levels = {source: by_key[k, source]["independent_votes"] for source in sources}
        if any(by_tertile is None for by_tertile in levels.values()):
            axes.text(0.5, 0.5, "too few votes left", transform=axes.transAxes, ha="center")
            continue
        ratios = {
            source: [by_tertile[name]["squared_error_over_human"] for name in TERTILES]
            for source, by_tertile in levels.items()
        }
        grouped_bars(axes, TERTILES, ratios)
    for axes in grid:
        axes.axhline(1, color=DARK, lw=0.8, ls="--")
    shared_legend(figure, grid[0])
    return figure
