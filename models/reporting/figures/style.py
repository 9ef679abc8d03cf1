"""One style for every figure, and SVG files whose bytes depend on the data alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ambivox.models.files import atomic_path
from ambivox.models.reporting.figures.fonts import families, svg_settings
from ambivox.models.reporting.source_names import PALETTE
from ambivox.models.temporary_files import scratch_folder

P = ParamSpec("P")
Drawn = TypeVar("Drawn", bound=Figure | None)
_JOINERS = "\u200c\u200d"

DARK, GREY = "#333333", "#888888"
_LIGHTEST = 0.7
SMALL = 9  # points, of legends and annotations
#: Axis label of every JS divergence; lower is better.
JS_AXIS = "JS divergence (base 2)"
#: Axis label of every score that is lower for better distributions.
SCORE_AXES = {
    "nll": "nll (nats per target vote)",
    "squared_error": "squared error to the truth",
    "js": JS_AXIS,
}
_SETTINGS: Any = {
    "font.family": families(),
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "axes.edgecolor": GREY,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "ambivox",
    "axes.prop_cycle": cycler(color=PALETTE),
}


def styled(draw: Callable[P, Drawn]) -> Callable[P, Drawn]:
    """Run a function that draws a figure in the shared style (matplotlib reads some settings only while it draws)."""

    @wraps(draw)
    def draw_in_style(*arguments: P.args, **options: P.kwargs) -> Drawn:
        with mpl.rc_context(_SETTINGS):
            return draw(*arguments, **options)

    return draw_in_style


def new_figure(
    columns: int = 1, rows: int = 1, width: float = 5.3, height: float = 3.2, space: float = 0.02
) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``rows`` x ``columns`` axes.

    The report is 11 inches wide and sets two figures of 5.3 inches side by side, so that their text is as large as its own.

    Args:
        columns: of axes.
        rows: of axes.
        width: of the figure, in inches.
        height: of the figure, in inches.
        space: between columns, as a share of the width of one.
    """
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        figure.get_layout_engine().set(h_pad=0.08, w_pad=0.08, wspace=space)  # type: ignore[union-attr, call-arg]
    return figure, [axes for row in grid for axes in row]


def plain_text(text: str) -> str:
    """Return a user's text for matplotlib: a dollar sign would start a formula, and fonts have no control characters.

    Joiners stay: Persian and Indic words need them.
    """
    return "".join(c for c in text if c.isprintable() or c in _JOINERS).replace("$", r"\$")


def shared_legend(figure: Figure, axes: Axes, columns: int = 6) -> None:
    """Put the legend of ``axes`` below all axes of the figure."""
    handles, names = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, names, loc="outside lower center", ncols=min(columns, len(names)), fontsize=SMALL
        )


def tints(colour: str, number: int) -> list[tuple[float, float, float]]:
    """Return shades of one colour, from itself to a light tint, for parts of one source such as personas.

    Args:
        colour: as ``#RRGGBB``.
        number: of shades, at least 1.
    """
    base = np.array(to_rgb(colour))
    shares = np.linspace(0, _LIGHTEST, number)
    return [tuple(base + (1 - base) * share) for share in shares]


def value_column(axes: Axes, y: float, text: str, is_best: bool = False) -> None:
    """Write a row's value beside the plot, where it cannot cover a marker.

    Args:
        axes: of the plot.
        y: the row, in data coordinates.
        text: the value.
        is_best: whether to set it in bold.
    """
    axes.text(
        1.03,
        y,
        text,
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=SMALL,
        color=DARK,
        fontweight="bold" if is_best else "normal",
    )


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG."""
    with scratch_folder() as folder:
        path = folder / "figure.svg"
        save(figure, path)
        return path.read_bytes()


def save(figure: Figure | None, path: Path) -> None:
    """Write the figure as SVG (or in the format of the suffix); equal figures and fonts give equal bytes.

    Args:
        figure: None where there is nothing to draw; nothing is written then.
        path: of the file.
    """
    if figure is None:
        return
    kind = path.suffix.removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else None
    with mpl.rc_context(_SETTINGS), atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        figure.savefig(temporary, format=kind, dpi=150, metadata=metadata)
        # The texts of a figure are complete only once it is drawn.
        other_text: Any = svg_settings(figure) if kind == "svg" else {}
        if other_text:
            with mpl.rc_context(other_text):
                figure.savefig(temporary, format=kind, metadata=metadata)
