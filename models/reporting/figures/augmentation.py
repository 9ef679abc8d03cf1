"""The balance of the classes before and after DiME-Aug."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ambivox.models.reporting.figures.style import PALETTE, figure


def balance(summary: dict[str, Any]) -> Figure:
    """Bars per class: what was there, what was made, and the line that classes are filled to.

    Args:
        summary: what augmentation.json holds.
    """
    labels = list(summary["before"])
    before, after = (np.array([summary[when][label] for label in labels]) for when in ("before", "after"))
    made, (axes,) = figure(height=0.9 + 0.42 * len(labels))
    rows = np.arange(len(labels))
    axes.barh(rows, before, color=PALETTE[0], label="recorded")
    axes.barh(rows, after - before, left=before, color=PALETTE[1], label="mixed")
    axes.axvline(summary["target"], color="#555555", linestyle="--", linewidth=1)
    axes.text(
        summary["target"], -0.62, f" {summary['ratio']:.0%} of the largest", fontsize=8, color="#555555"
    )
    axes.set_yticks(rows, labels)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(
        "expected votes" if summary["classes"] == "mass" else "training utterances by dominant label"
    )
    axes.set_title(f"DiME-Aug: {summary['samples']} mixed samples", pad=16)
    axes.legend(loc="lower right")
    return made
