"""The figure of an augmentation: the balance of the classes before and after DiME-Aug."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ambivox.models.counted import counted
from ambivox.models.reporting.emotion_colours import label_colours
from ambivox.models.reporting.estimates import class_size
from ambivox.models.reporting.figures.style import (
    DARK,
    GREY,
    SMALL,
    new_figure,
    plain_text,
    styled,
)

_MIXED_ALPHA = 0.55


@styled
def class_balance_figure(summary: Mapping[str, Any]) -> Figure:
    """Draw the recorded and the mixed utterances of each class, and the size that classes are filled up to.

    Args:
        summary: what augmentation.json holds.
    """
    labels = list(summary["before"])
    before_K, after_K = (np.array([summary[key][label] for label in labels]) for key in ("before", "after"))
    colours = list(label_colours(labels).values())
    figure, (axes,) = new_figure(height=1.7 + 0.36 * len(labels))
    rows = np.arange(len(labels))
    axes.barh(rows, before_K, color=colours)
    mixed = axes.barh(
        rows,
        after_K - before_K,
        left=before_K,
        color=colours,
        alpha=_MIXED_ALPHA,
        hatch="////",
        edgecolor="white",
    )
    texts = [
        f" {class_size(before)} → {class_size(after)}" if after > before else f" {class_size(after)}"
        for before, after in zip(before_K, after_K, strict=True)
    ]
    axes.bar_label(mixed, texts, fontsize=SMALL)
    axes.margins(x=0.2)
    axes.set_xlim(left=0)
    target = axes.axvline(
        summary["target"],
        color=DARK,
        linestyle="--",
        linewidth=1,
        label=f"target: {summary['ratio']:.0%} of the largest class",
    )
    axes.set_yticks(rows, [plain_text(label) for label in labels])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(
        "expected votes" if summary["classes"] == "mass" else "training utterances by dominant label"
    )
    axes.set_title(f"DiME-Aug: {counted(summary['samples'], 'mixed sample')}")
    # Emotions have colours of their own, so the legend shows the two kinds in grey.
    recorded = Patch(color=GREY, label="recorded")
    mix = Patch(
        facecolor=GREY, alpha=_MIXED_ALPHA, hatch="////", edgecolor="white", label="mixed by DiME-Aug"
    )
    figure.legend(handles=[recorded, mix, target], loc="outside lower center", ncols=2, fontsize=SMALL)
    return figure
