"""The picture of the sparse-vote trial."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ambivox.models.reporting.figures.style import COLOURS, figure
from ambivox.models.statistics.ambiguity import TERTILES

SHOWN = ("synthetic", "combined", "pooled", "intent")
_COLOURS = COLOURS | {"intent": "#56B4E9"}


def ratios(rows: list[dict[str, Any]]) -> Figure:
    """JS over the human-only JS: overall for every number of votes, and by tertile for each; below 1 is better."""
    numbers = sorted({row["votes"] for row in rows})
    picture, grid = figure(columns=len(numbers) + 1, width=2.9 * (len(numbers) + 1), height=3.6)
    by = {(row["votes"], row["source"]): row for row in rows}
    shown = [source for source in SHOWN if (numbers[0], source) in by]
    _bars(grid[0], shown, [f"{k}" for k in numbers], lambda s, c: by[numbers[c], s]["over_human"])
    grid[0].set_xlabel("human votes kept")
    grid[0].set_ylabel("JS to the other votes, over the humans' own")
    grid[0].set_title("overall")
    for axes, k in zip(grid[1:], numbers, strict=True):
        _bars(axes, shown, list(TERTILES), lambda s, c, k=k: by[k, s]["entropy"][TERTILES[c]])
        axes.set_title(f"{k} vote{'s' if k > 1 else ''}, by ambiguity")
    handles, names = grid[0].get_legend_handles_labels()
    picture.legend(handles, names, loc="outside lower center", ncols=len(shown), fontsize=8)
    return picture


def _bars(axes: Axes, shown: list[str], columns: list[str], cell: Any) -> None:
    width = 0.84 / len(shown)
    for s, source in enumerate(shown):
        cells = [cell(source, c) for c in range(len(columns))]
        value_C = np.array([found["value"] for found in cells])
        low_C, high_C = (np.array([found[end] for found in cells]) for end in ("low", "high"))
        at_C = np.arange(len(columns)) - 0.42 + (s + 0.5) * width
        axes.bar(at_C, value_C, width * 0.92, color=_COLOURS[source], label=source)
        axes.errorbar(
            at_C,
            value_C,
            [np.maximum(value_C - low_C, 0), np.maximum(high_C - value_C, 0)],
            fmt="none",
            ecolor="#333333",
            lw=0.8,
            capsize=1.5,
        )
    axes.axhline(1, color="#333333", lw=0.8, ls="--")
    axes.set_xticks(range(len(columns)), columns)
