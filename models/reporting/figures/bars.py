"""Groups of bars with intervals, one bar per source, as several figures draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ambivox.models.reporting.figures.style import DARK
from ambivox.models.reporting.source_names import PALETTE, source_colour, source_label

_GROUP_WIDTH = 0.84


def grouped_bars(
    axes: Axes,
    groups: Sequence[str],
    estimates: Mapping[str, Sequence[Mapping[str, Any]]],
    value: str = "value",
    bounds: tuple[str, str] = ("low", "high"),
) -> None:
    """Draw one bar per group and source, with its interval; undefined values are drawn as 0.

    Args:
        axes: where to draw.
        groups: names of the groups, along the x axis.
        estimates: per source, in the order of the bars, one estimate per group: its value and bounds.
        value: the key of the value in an estimate.
        bounds: the keys of its bounds.
    """
    width = _GROUP_WIDTH / max(len(estimates), 1)
    for s, (source, by_group) in enumerate(estimates.items()):
        value_G, low_G, high_G = (
            np.array([np.nan if one[key] is None else one[key] for one in by_group], dtype=float)
            for key in (value, *bounds)
        )
        below_G = np.maximum(np.nan_to_num(value_G - low_G), 0)
        above_G = np.maximum(np.nan_to_num(high_G - value_G), 0)
        height_G = np.nan_to_num(value_G)
        at_G = np.arange(len(groups)) - _GROUP_WIDTH / 2 + (s + 0.5) * width
        colour = source_colour(source, PALETTE[s % len(PALETTE)])
        axes.bar(at_G, height_G, width * 0.92, color=colour, label=source_label(source))
        axes.errorbar(
            at_G, height_G, [below_G, above_G], fmt="none", ecolor=DARK, elinewidth=0.8, capsize=1.5
        )
    axes.set_xticks(range(len(groups)), groups)
    axes.grid(axis="x", visible=False)
