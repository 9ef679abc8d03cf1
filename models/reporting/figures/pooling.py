"""Figures of pooling: the worth of the ALMs, their calibration, and the distributions of some utterances."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ambivox.models.pooling.sources import Sources
from ambivox.models.reporting.emotion_colours import label_colours
from ambivox.models.reporting.figures.style import (
    DARK,
    GREY,
    SMALL,
    new_figure,
    plain_text,
    shared_legend,
    styled,
    tints,
)
from ambivox.models.reporting.source_names import source_colour, source_label
from ambivox.models.statistics.ambiguity import TERTILES

_EXAMPLES = 6
_BINS = 10
_ID_CHARACTERS = 28


@styled
def worth_figure(sources: Sources) -> Figure | None:
    """Draw what each ALM is worth in further human votes (by nll), overall and by ambiguity, with intervals.

    A rate beyond the limit is drawn at the limit. None where no worth could be measured.

    Args:
        sources: of the pooling.
    """
    alms = [worth for worth in sources.worth if worth is not None]
    if not alms:
        return None
    figure, (axes,) = new_figure(width=5.3, height=3.2)
    width = 0.8 / len(alms)
    colours = tints(source_colour("synthetic"), len(alms))
    for a, alm in enumerate(alms):
        rates = [alm.overall["nll"], *(alm.by_ambiguity["nll"][tertile] for tertile in TERTILES)]
        drawn_G3 = np.array(
            [[min(end, rate.limit) for end in (rate.value, rate.low, rate.high)] for rate in rates]
        )
        value_G = np.nan_to_num(drawn_G3[:, 0])
        below_G, above_G = np.nan_to_num(value_G - drawn_G3[:, 1]), np.nan_to_num(drawn_G3[:, 2] - value_G)
        at_G = np.arange(len(rates)) + (a - (len(alms) - 1) / 2) * width
        axes.bar(at_G, value_G, width * 0.9, color=colours[a], label=plain_text(alm.alm))
        axes.errorbar(at_G, value_G, [below_G, above_G], fmt="none", ecolor=DARK, capsize=3)
    axes.set_xticks(range(1 + len(TERTILES)), ["overall", *(f"{tertile}\nambiguity" for tertile in TERTILES)])
    axes.set_ylabel("further human votes (by nll)")
    axes.set_title("Worth of the ALM")
    axes.grid(axis="x", visible=False)
    shared_legend(figure, axes)
    return figure


@styled
def calibration_figure(sources: Sources) -> Figure:
    """Draw the share of human votes of a label by its predicted probability, before and after calibration.

    Args:
        sources: of the pooling.
    """
    alms = max(len(sources.synthetic), 1)
    columns, rows = min(alms, 3), -(-alms // 3)
    figure, grid = new_figure(columns=columns, rows=rows, width=4.2 * columns, height=3.6 * rows)
    n_NK = sources.inputs.n_NK
    for a, opinion in enumerate(sources.synthetic):
        axes = grid[a]
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls="--")
        for name, q_NK, colour in (
            ("before calibration", opinion.q_NK, source_colour("synthetic")),
            ("after calibration", sources.pooled.calibrated_NAK[:, a], source_colour("pooled")),
        ):
            x_B, y_B = _reliability(n_NK, q_NK)
            axes.plot(x_B, y_B, "o-", ms=4, color=colour, label=name)
        axes.set_xlabel("predicted probability of a label")
        axes.set_ylabel("share of human votes")
        axes.set_title(f"Calibration of {plain_text(opinion.alm)}")
        axes.legend(loc="upper left")
    for axes in grid[len(sources.synthetic) :]:
        axes.set_visible(False)
    return figure


@styled
def examples_figure(sources: Sources) -> Figure:
    """Draw the distributions of every source for some utterances, from the least to the most ambiguous.

    Args:
        sources: of the pooling.
    """
    # Without an answer of an ALM, synthetic is the corpus prior.
    names = tuple(name for name in sources.tables if name != "synthetic" or sources.synthetic)
    labels = sources.model.labels
    p_NK = sources.tables["pooled"].frame.select(labels).to_numpy()
    rows = np.flatnonzero(sources.inputs.n_NK.sum(1) > 0)
    rows = rows if len(rows) else np.arange(len(p_NK))
    order = rows[np.argsort(-p_NK[rows].max(1), kind="stable")]
    chosen = order[np.linspace(0, len(order) - 1, min(_EXAMPLES, len(order))).astype(int)]
    grid_rows = -(-len(chosen) // 3)
    figure, grid = new_figure(columns=3, rows=grid_rows, width=10.6, height=1.9 * grid_rows + 0.5)
    colours = label_colours(labels)
    for axes, row in zip(grid, chosen, strict=False):
        left_S = np.zeros(len(names))
        for label in labels:
            p_S = np.array([sources.tables[name].frame[label][int(row)] for name in names])
            axes.barh(
                range(len(names)),
                p_S,
                left=left_S,
                color=colours[label],
                height=0.75,
                label=plain_text(label),
            )
            left_S += p_S
        axes.set_yticks(range(len(names)), [source_label(name) for name in names], fontsize=SMALL)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.grid(visible=False)
        utterance_id = str(sources.tables["human"].frame["utterance_id"][int(row)])
        # The end of a long id, such as a path, tells it from the others.
        shown = (
            utterance_id if len(utterance_id) <= _ID_CHARACTERS else f"…{utterance_id[1 - _ID_CHARACTERS :]}"
        )
        axes.set_title(plain_text(shown), fontsize=SMALL)
    for axes in grid[len(chosen) :]:
        axes.set_visible(False)
    shared_legend(figure, grid[0])
    return figure


def _reliability(n_NK: np.ndarray, q_NK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean probability and share of votes of all utterance-label pairs, in bins of equal width; nan if empty."""
    used_N = (n_NK.sum(1) > 0) & np.isfinite(q_NK).all(1)
    q_M = q_NK[used_N].ravel()
    share_M = (n_NK[used_N] / n_NK[used_N].sum(1, keepdims=True)).ravel()
    bin_M = np.minimum((q_M * _BINS).astype(int), _BINS - 1)
    count_B = np.bincount(bin_M, minlength=_BINS)
    filled_B = np.where(count_B > 0, count_B, 1)
    x_B = np.bincount(bin_M, weights=q_M, minlength=_BINS) / filled_B
    y_B = np.bincount(bin_M, weights=share_M, minlength=_BINS) / filled_B
    return np.where(count_B > 0, x_B, np.nan), np.where(count_B > 0, y_B, np.nan)
