"""Pictures of pooling: what the ALMs are worth, how they were calibrated, and what becomes of some utterances."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ambivox.models.pooling.sources import Sources
from ambivox.models.reporting.figures.style import COLOURS, PALETTE, figure
from ambivox.models.statistics.ambiguity import TERTILES

_EXAMPLES = 6
_BINS = 10


def equivalent_votes(made: Sources) -> Figure:
    """Equivalent votes of each ALM, overall and by ambiguity, with intervals."""
    picture, (axes,) = figure(width=6.4, height=3.2)
    groups = ("overall", *TERTILES)
    width = 0.8 / max(len(made.equivalent_votes), 1)
    for a, value in enumerate(made.equivalent_votes):
        found = [value.overall, *(value.by_ambiguity[third] for third in TERTILES)]
        mean_G = np.nan_to_num([one.value for one in found])
        below_G = np.nan_to_num([one.value - one.low for one in found])
        above_G = np.nan_to_num([one.high - one.value for one in found])
        at_G = np.arange(len(groups)) + (a - (len(made.equivalent_votes) - 1) / 2) * width
        axes.bar(at_G, mean_G, width * 0.9, color=PALETTE[a % len(PALETTE)], label=value.alm)
        axes.errorbar(at_G, mean_G, [below_G, above_G], fmt="none", ecolor="#333333", capsize=3)
    axes.set_xticks(range(len(groups)), [groups[0], *(f"{third} ambiguity" for third in TERTILES)])
    axes.set_ylabel("equivalent human votes")
    axes.set_title("What an ALM's opinion is worth")
    if made.equivalent_votes:
        axes.legend()
    else:
        axes.text(0.5, 0.5, "no ALM", transform=axes.transAxes, ha="center")
    return picture


def calibration(made: Sources) -> Figure:
    """Predicted probability of a label against the share of human votes it got, before and after calibration."""
    alms = max(len(made.synthetic), 1)
    picture, grid = figure(columns=min(alms, 3), rows=-(-alms // 3), width=3.4 * min(alms, 3), height=3.3)
    n_NK = made.inputs.n_NK
    for a, opinion in enumerate(made.synthetic):
        axes = grid[a]
        axes.plot([0, 1], [0, 1], color="#888888", lw=0.8, ls="--")
        for name, q_NK, colour in (
            ("as it answers", opinion.q_NK, COLOURS["synthetic"]),
            ("calibrated", made.pooled.calibrated_NAK[:, a], COLOURS["pooled"]),
        ):
            x_B, y_B = _reliability(n_NK, q_NK)
            axes.plot(x_B, y_B, "o-", ms=4, color=colour, label=name)
        axes.set_xlabel("probability given to a label")
        axes.set_ylabel("share of human votes")
        axes.set_title(opinion.alm)
        axes.legend()
    return picture


def examples(made: Sources) -> Figure:
    """Utterances from the least to the most ambiguous, and their distribution from every source."""
    names, labels = tuple(made.tables), made.model.labels
    p_NK = made.tables["pooled"].frame.select(labels).to_numpy()
    rows = np.flatnonzero(made.inputs.n_NK.sum(1) > 0)
    rows = rows if len(rows) else np.arange(len(p_NK))
    order = rows[np.argsort(-p_NK[rows].max(1), kind="stable")]
    picked = order[np.linspace(0, len(order) - 1, min(_EXAMPLES, len(order))).astype(int)]
    picture, grid = figure(columns=3, rows=-(-len(picked) // 3), width=8.6, height=2.3 * -(-len(picked) // 3))
    for axes, row in zip(grid, picked, strict=False):
        left = np.zeros(len(names))
        for k, label in enumerate(labels):
            share = np.array([made.tables[name].frame[label][int(row)] for name in names])
            colour = PALETTE[k % len(PALETTE)]
            axes.barh(range(len(names)), share, left=left, color=colour, height=0.75, label=label)
            left += share
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.grid(visible=False)
        axes.set_title(str(made.tables["human"].frame["utterance_id"][int(row)])[:28], fontsize=8.5)
    for axes in grid[len(picked) :]:
        axes.set_visible(False)
    handles, shown = grid[0].get_legend_handles_labels()
    picture.legend(handles, shown, loc="outside lower center", ncols=min(len(labels), 6), fontsize=8)
    return picture


def _reliability(n_NK: np.ndarray, q_NK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean probability and share of votes of all utterance-label cells, in bins of equal width; nan if empty."""
    used_N = (n_NK.sum(1) > 0) & np.isfinite(q_NK).all(1)
    q_M = q_NK[used_N].ravel()
    share_M = (n_NK[used_N] / n_NK[used_N].sum(1, keepdims=True)).ravel()
    bin_M = np.minimum((q_M * _BINS).astype(int), _BINS - 1)
    count_B = np.bincount(bin_M, minlength=_BINS)
    filled_B = np.where(count_B > 0, count_B, 1)
    x_B = np.bincount(bin_M, weights=q_M, minlength=_BINS) / filled_B
    y_B = np.bincount(bin_M, weights=share_M, minlength=_BINS) / filled_B
    return np.where(count_B > 0, x_B, np.nan), np.where(count_B > 0, y_B, np.nan)
