"""The figure of a corpus through its releases: the scores of each source by version, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ambivox.models.reporting.estimates import parse_measure
from ambivox.models.reporting.figures.style import SCORE_AXES, new_figure, plain_text, shared_legend, styled
from ambivox.models.reporting.measures import HEADINGS
from ambivox.models.reporting.source_names import source_colour, source_label

_SOURCES = ("human", "human_mixture", "synthetic", "combined", "pooled")
_SPREAD = 0.07  # between sources of one version


@styled
def releases_figure(versions: Sequence[str], metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw nll, squared error and JS of every source by version.

    Args:
        versions: their names, the first one first.
        metrics: per version, measures by source.
    """
    figure, grid = new_figure(columns=len(SCORE_AXES), width=11, height=3.6, space=0.04)
    for axes, (score, label) in zip(grid, SCORE_AXES.items(), strict=True):
        for s, source in enumerate(_SOURCES):
            known = [
                (place + (s - len(_SOURCES) / 2) * _SPREAD, estimate)
                for place, by_source in enumerate(metrics)
                if (estimate := parse_measure(by_source.get(source), score)) is not None
            ]
            at = [place for place, _ in known]
            values = [estimate.value for _, estimate in known]
            below = [max(e.value - (e.value if e.low is None else e.low), 0) for _, e in known]
            above = [max((e.value if e.high is None else e.high) - e.value, 0) for _, e in known]
            axes.errorbar(
                at,
                values,
                [below, above],
                fmt="o-",
                markersize=4,
                linewidth=1,
                capsize=2,
                color=source_colour(source),
                label=source_label(source),
            )
        axes.set_xticks(range(len(versions)), [plain_text(version) for version in versions])
        axes.set_xlim(-0.5, len(versions) - 0.5)
        axes.grid(axis="x", visible=False)
        axes.set_ylabel(label)
        axes.set_title(HEADINGS[score])
    shared_legend(figure, grid[0])
    return figure
