"""The ten or so figures of a corpus that matter, for ``dvc metrics show``; metrics.json has all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_DIGITS = 6
# By both proper scores: what goes in, the same votes without an ALM, and what comes out. JS as in the paper.
_OF_SOURCES = {
    "nll": ("human_mixture", "synthetic", "pooled"),
    "squared_error": ("human", "human_mixture", "pooled"),
    "js": ("human", "pooled"),
    "accuracy": ("pooled",),
}


def figures_of_sources(
    rows: Mapping[str, Mapping[str, Any]], worth: Mapping[str, Mapping[str, float | None]]
) -> dict[str, float]:
    """Reduce a validation to a few figures.

    Args:
        rows: metric rows by source (of ``metrics_by_source``).
        worth: further human votes by ALM and score.

    Returns:
        ``<score>_<source>`` and ``worth_nll_<ALM>``. Undefined and infinite figures are left out.

    Examples:
        >>> rows = {"pooled": {"nll": 1.2, "js": 0.2, "bc": 0.8, "accuracy": 0.7}, "ceiling": {"js": 0.25, "bc": 0.7}}
        >>> figures_of_sources(rows, {"tiny": {"nll": 6.0}})
        {'nll_pooled': 1.2, 'js_pooled': 0.2, 'accuracy_pooled': 0.7, 'worth_nll_tiny': 6.0}
    """
    figures = {
        f"{score}_{source}": rows.get(source, {}).get(score)
        for score, sources in _OF_SOURCES.items()
        for source in sources
    }
    return _finite(figures | {f"worth_nll_{alm}": votes.get("nll") for alm, votes in worth.items()})


def figures_of_models(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Reduce an evaluation to ``nll_<model>``; one that is undefined or infinite is left out.

    Args:
        rows: metric rows by model (of ``metrics_by_model``).

    Examples:
        >>> figures_of_models({"pooled-on": {"nll": 1.1, "js": 0.2}, "zero-shot": {"nll": float("inf")}})
        {'nll_pooled-on': 1.1}
    """
    return _finite({f"nll_{model}": row.get("nll") for model, row in rows.items()})


def _finite(figures: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: round(float(value), _DIGITS)
        for name, value in figures.items()
        if value is not None and math.isfinite(value)
    }
