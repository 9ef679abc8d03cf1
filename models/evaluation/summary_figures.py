"""The few figures of a validation or an evaluation that matter, for ``dvc metrics show``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ambivox.models.evaluation.scores import DIVERGENCES

_DIGITS = 6


def summary_figures(
    rows: Mapping[str, Mapping[str, Any]], worth: Mapping[str, Mapping[str, float | None]] | None = None
) -> dict[str, float]:
    """Reduce the rows of metrics.json to a few figures per source.

    Args:
        rows: metric rows by source (of ``metrics_by_source``) or by model (of ``metrics_by_model``).
        worth: further human votes by ALM and score, where they are at hand.

    Returns:
        ``nll_<row>``, ``squared_error_<row>`` and ``js_<row>`` for every row, references included; ``bc_<row>`` and
        ``accuracy_<row>`` for the source pooled and for models trained on it; ``worth_<score>_<ALM>``. Undefined
        and infinite figures are left out.

    Examples:
        >>> rows = {"pooled": {"nll": 1.2, "js": 0.2, "bc": 0.8, "accuracy": 0.7}, "ceiling": {"js": 0.25, "bc": 0.7}}
        >>> summary_figures(rows, {"tiny": {"nll": 6.0}})  # doctest: +NORMALIZE_WHITESPACE
        {'nll_pooled': 1.2, 'js_pooled': 0.2, 'js_ceiling': 0.25, 'bc_pooled': 0.8, 'accuracy_pooled': 0.7,
         'worth_nll_tiny': 6.0}
    """
    figures = {f"{score}_{name}": row.get(score) for score in DIVERGENCES for name, row in rows.items()}
    for name, row in rows.items():
        if name.partition("-")[0] == "pooled":
            figures |= {f"bc_{name}": row.get("bc"), f"accuracy_{name}": row.get("accuracy")}
    for alm, by_score in (worth or {}).items():
        figures |= {f"worth_{score}_{alm}": votes for score, votes in by_score.items()}
    return {
        name: round(float(value), _DIGITS)
        for name, value in figures.items()
        if value is not None and math.isfinite(value)
    }
