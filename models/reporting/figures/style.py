"""One look for every picture, and SVG files whose bytes depend on the data alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ambivox.models.files import atomic_path

# Okabe and Ito's palette: told apart by colour-blind readers. A source keeps its colour in every picture.
COLOURS = {
    "human": "#0072B2",
    "synthetic": "#E69F00",
    "combined": "#CC79A7",
    "pooled": "#009E73",
    "ceiling": "#555555",
    "prior": "#BBBBBB",
    "zero-shot": "#D55E00",
}
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#555555"]
_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "axes.edgecolor": "#888888",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "ambivox",
    "axes.prop_cycle": cycler(color=PALETTE),
}


def figure(
    columns: int = 1, rows: int = 1, width: float = 6.4, height: float = 3.4
) -> tuple[Figure, list[Axes]]:
    """A figure of ``rows`` x ``columns`` axes (sizes in inches, of the whole), in the shared style."""
    with mpl.rc_context(_SETTINGS):
        made = Figure(figsize=(width, height), layout="constrained")
        grid = made.subplots(rows, columns, squeeze=False)
    return made, [axes for row in grid for axes in row]


def save(made: Figure, path: Path) -> Path:
    """Write as SVG (or whatever the suffix says); equal figures give equal bytes."""
    with mpl.rc_context(_SETTINGS), atomic_path(path) as temporary:
        kind = path.suffix.removeprefix(".")
        made.savefig(temporary, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return path
