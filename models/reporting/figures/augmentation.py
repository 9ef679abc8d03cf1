"""The figure of an augmentation: the balance of the classes before and after DiME-Aug."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ambivox.models.reporting.figures.style import DARK, new_figure, plain_text, styled
from ambivox.models.reporting.source_names import PALETTE


@styled
def class_balance_figure(summary: Mapping[str, Any]) -> Figure:
    """Draw the recorded and the mixed utterances of each class, and the size that classes are filled up to.

    Args:
        summary: what augmentation.json holds.
    """
    labels = list(summary["before"])
    before_K, after_K = (np.array([summary[key][label] for label in labels]) for key in ("before", "after"))
    figure, (axes,) = new_figure(height=1.5 + 0.36 * len(labels))
    rows = np.arange(len(labels))
    axes.barh(rows, before_K, color=PALETTE[0], label="recorded")
    axes.barh(rows, after_K - before_K, left=before_K, color=PALETTE[1], label="mixed by DiME-Aug")
    axes.axvline(
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
    axes.set_title(f"DiME-Aug: {summary['samples']} mixed samples")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
