"""Figures of a validation: the sources side by side, by ambiguity, label and speaker group; saturation; calibration."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ambivox.models.evaluation.breakdowns import INDEPENDENT, by_group, by_label, by_tertile
from ambivox.models.evaluation.validation import Validation
from ambivox.models.reporting.figures.bars import grouped_bars
from ambivox.models.reporting.figures.style import (
    DARK,
    GREY,
    JS_AXIS,
    SCORE_AXES,
    SMALL,
    new_figure,
    plain_text,
    shared_legend,
    styled,
    tints,
    value_column,
)
from ambivox.models.reporting.measures import HEADINGS
from ambivox.models.reporting.source_names import PALETTE, source_colour, source_label, source_order
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.confidence_calibration import calibration_curve
from ambivox.models.statistics.intervals import Interval

_LEAST_R2 = -1.0
_SQUARED_ERROR = ("squared_error_low", "squared_error_high")


@styled
def sources_figure(validation: Validation) -> Figure:
    """Draw the mean scores of every source with their intervals; an infinite nll, of raw votes, is written.

    Args:
        validation: of the sources.
    """
    order = sorted(validation.scores, key=source_order, reverse=True)
    figure, grid = new_figure(columns=len(SCORE_AXES), width=11, space=0.05, height=0.34 * len(order) + 1.4)
    for axes, (score, axis) in zip(grid, SCORE_AXES.items(), strict=True):
        for y, source in enumerate(order):
            estimate = validation.interval(validation.scores[source][score], score=score)
            if not np.isfinite(estimate.value):
                text = "infinite" if np.isinf(estimate.value) else "undefined"
                axes.text(0.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)
                continue
            axes.errorbar(
                estimate.value,
                y,
                xerr=[[max(estimate.value - estimate.low, 0)], [max(estimate.high - estimate.value, 0)]],
                fmt="o",
                capsize=3,
                color=source_colour(source, DARK),
            )
            value_column(axes, y, f"{estimate.value:.3f}")
        names = [source_label(source) for source in order] if axes is grid[0] else []
        axes.set_yticks(range(len(order)), names or [""] * len(order))
        axes.set_ylim(-0.6, len(order) - 0.3)
        axes.margins(x=0.06)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"{axis}, 95% interval")
        axes.set_title(HEADINGS[score])
    return figure


@styled
def tertiles_figure(validation: Validation) -> Figure | None:
    """Draw squared error by ambiguity of other votes than the target, and JS by the ambiguity of all votes.

    None where too few votes were held out for either.

    Args:
        validation: of the sources.
    """
    tables = by_tertile(validation)
    panels = [
        (
            INDEPENDENT,
            "squared_error",
            _SQUARED_ERROR,
            "Ambiguity of held-out votes\nthat are not the target",
        ),
        ("paper", "js", ("low", "high"), "For comparison: ambiguity of all votes,\ndefinition of the paper"),
    ]
    if INDEPENDENT not in tables:
        return None
    figure, grid = new_figure(columns=2, width=11, height=4.0)
    for axes, (definition, score, bounds, title) in zip(grid, panels, strict=True):
        axes.set_title(title)
        axes.set_ylabel(SCORE_AXES[score])
        table = tables[definition]
        sources = sorted(
            (source for source, cell in table[TERTILES[0]].items() if np.isfinite(cell[score])),
            key=source_order,
        )
        cells = {source: [table[tertile][source] for tertile in TERTILES] for source in sources}
        grouped_bars(axes, TERTILES, cells, score, bounds)
        axes.set_xlabel("ambiguity (tertiles)")
    shared_legend(figure, grid[1])
    return figure


@styled
def speaker_groups_figure(validation: Validation) -> Figure | None:
    """Draw squared error by speaker group and source; None where the corpus has no speaker groups.

    Args:
        validation: of the sources.
    """
    tables = {kind: table for kind, table in by_group(validation).items() if table}
    if not tables:
        return None
    figure, grid = new_figure(columns=len(tables), width=11, height=3.6)
    for axes, (kind, table) in zip(grid, tables.items(), strict=True):
        groups = tuple(table)
        sources = sorted((source for source in table[groups[0]] if source != "floor"), key=source_order)
        cells = {source: [measures[source] for measures in table.values()] for source in sources}
        grouped_bars(axes, [plain_text(group) for group in groups], cells, "squared_error", _SQUARED_ERROR)
        axes.set_title(f"Squared error by {plain_text(kind)} of the speaker")
    grid[0].set_ylabel(SCORE_AXES["squared_error"])
    shared_legend(figure, grid[0])
    return figure


@styled
def labels_figure(validation: Validation) -> Figure | None:
    """Draw the mean probability of each label beside the target votes (which shows a bias), and R² per label.

    None where there is no source to draw.

    Args:
        validation: of the sources.
    """
    table = by_label(validation)
    sources = sorted((source for source in table if source != "prior"), key=source_order)
    if not sources:
        return None
    figure, (left, right) = new_figure(columns=2, width=11, height=4.0)
    width = 0.8 / (len(sources) + 1)
    at_K = np.arange(len(validation.labels)) - 0.4
    left.bar(at_K, validation.truth_NK.mean(0), width, color=DARK, label="target votes", align="edge")
    for s, source in enumerate(sources):
        colour = source_colour(source, PALETTE[s % len(PALETTE)])
        mean_K = [table[source][label]["mean"] for label in validation.labels]
        r2_K = np.nan_to_num([table[source][label]["r2"] for label in validation.labels])
        left.bar(
            at_K + (s + 1) * width, mean_K, width, color=colour, label=source_label(source), align="edge"
        )
        right.bar(at_K + (s + 0.5) * width, r2_K, width, color=colour, align="edge")
    names = [plain_text(label) for label in validation.labels]
    for axes, title, name in ((left, "Mean probability", "probability"), (right, "R² per label", "R²")):
        axes.set_xticks(at_K + 0.4, names, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_title(title)
        axes.set_ylabel(name)
        axes.grid(axis="x", visible=False)
    right.axhline(0, color=GREY, lw=0.8)
    right.set_ylim(bottom=max(right.get_ylim()[0], _LEAST_R2))
    shared_legend(figure, left)
    return figure


def _range(interval: Interval | None) -> str:
    """Such as " [4.1, 7.9]"; empty where there is no interval."""
    if interval is None or not np.isfinite(interval.low):
        return ""
    return f" [{interval.low:.1f}, {interval.high:.1f}]"


@styled
def saturation_figure(validation: Validation) -> Figure | None:
    """Draw the mean JS of n synthetic votes, the fitted curve and the saturation point; None without an ALM.

    Args:
        validation: of the sources.
    """
    if not validation.saturation:
        return None
    figure, (axes,) = new_figure(width=5.3, height=3.8)
    colours = tints(source_colour("synthetic"), len(validation.saturation))
    for a, (alm, saturation) in enumerate(validation.saturation.items()):
        colour = colours[a]
        votes_V = saturation.votes_V
        axes.fill_between(votes_V, saturation.js_low_V, saturation.js_high_V, color=colour, alpha=0.2, lw=0)
        axes.plot(votes_V, saturation.js_V, "o", ms=4, color=colour, label=plain_text(alm))
        x_M = np.linspace(1, votes_V[-1], 100)
        fitted_M = saturation.fitted(x_M)
        if fitted_M is not None:
            axes.plot(x_M, fitted_M, color=colour)
        axes.axhline(saturation.asymptote, color=colour, lw=0.8, ls=":")
        if saturation.point is not None and saturation.point <= votes_V[-1]:
            label = f"saturation of {plain_text(alm)}: {saturation.point} votes{_range(saturation.point_interval)}"
            axes.axvline(saturation.point, color=colour, lw=0.8, ls="--", label=label)
    shared_legend(figure, axes, 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("synthetic votes per utterance")
    axes.set_ylabel(JS_AXIS)
    axes.set_title("JS by number of synthetic votes")
    return figure


@styled
def calibration_figure(validation: Validation) -> Figure | None:
    """Draw accuracy by confidence for every source; the area of a point is the share of utterances.

    None where there is no source to draw.

    Args:
        validation: of the sources.
    """
    sources = sorted((source for source in validation.predictions if source != "prior"), key=source_order)
    if not sources:
        return None
    figure, (axes,) = new_figure(width=5.3, height=4.4)
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls="--")
    for source in sources:
        p_NK = validation.predictions[source]
        curve = calibration_curve(validation.truth_NK, p_NK)
        colour = source_colour(source, DARK)
        filled_B = curve.count_B > 0
        confidence_B, accuracy_B = curve.confidence_B[filled_B], curve.accuracy_B[filled_B]
        area_B = 160 * curve.count_B[filled_B] / len(p_NK) + 6
        axes.plot(confidence_B, accuracy_B, color=colour, lw=1)
        axes.scatter(
            confidence_B,
            accuracy_B,
            area_B,
            color=colour,
            label=f"{source_label(source)} (ECE {curve.error:.3f})",
        )
    axes.set_xlabel("confidence (probability of the dominant emotion)")
    axes.set_ylabel("accuracy")
    axes.set_title("Calibration")
    legend = axes.legend(loc="upper left")
    for handle in legend.legend_handles:
        handle.set_sizes([24])  # type: ignore[union-attr]
    return figure
