"""The ten or so figures of a corpus that matter, for ``dvc metrics show``; metrics.json has all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from ambivox.models.json_documents import read_json_document

_DIGITS = 6
# By both proper scores: what goes in, the same votes without an ALM, and what comes out. JS as in the paper.
_OF_SOURCES = {
    "nll": ("human_mixture", "synthetic", "pooled"),
    "squared_error": ("human", "human_mixture", "pooled"),
    "js": ("human", "pooled"),
    "accuracy": ("pooled",),
}


def figures_of_sources(
    rows: Mapping[str, Mapping[str, Any]], worth: Mapping[str, float | None]
) -> dict[str, float]:
    """Reduce a validation to a few figures.

    Args:
        rows: metric rows by source (of ``metrics_by_source``).
        worth: see ``read_worth``.

    Returns:
        ``<score>_<source>`` and ``worth_nll_<ALM>``. Undefined and infinite figures are left out.

    Examples:
        >>> rows = {"pooled": {"nll": 1.2, "js": 0.2, "bc": 0.8, "accuracy": 0.7}, "ceiling": {"js": 0.25, "bc": 0.7}}
        >>> figures_of_sources(rows, {"tiny": 6.0})
        {'nll_pooled': 1.2, 'js_pooled': 0.2, 'accuracy_pooled': 0.7, 'worth_nll_tiny': 6.0}
    """
    figures = {
        f"{score}_{source}": rows.get(source, {}).get(score)
        for score, sources in _OF_SOURCES.items()
        for source in sources
    }
    return _finite(figures | {f"worth_nll_{alm}": votes for alm, votes in worth.items()})


def figures_of_models(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Reduce an evaluation to ``nll_<model>``; one that is undefined or infinite is left out.

    Args:
        rows: metric rows by model (of ``metrics_by_model``).

    Examples:
        >>> figures_of_models({"pooled-on": {"nll": 1.1, "js": 0.2}, "zero-shot": {"nll": float("inf")}})
        {'nll_pooled-on': 1.1}
    """
    return _finite({f"nll_{model}": row.get("nll") for model, row in rows.items()})


def read_worth(distributions: Path) -> dict[str, float | None]:
    """What each ALM is worth by nll, in further human votes; None where that was not measured.

    Args:
        distributions: the folder that pool wrote; without its pooling.json, there is no ALM.

    Raises:
        UserError: the file is damaged.
    """
    path = distributions / "pooling.json"
    if not path.is_file():
        return {}
    summary = read_json_document(path, _SUMMARY, "what pool wrote")
    return {
        name: alm.worth.nll.overall.value if alm.worth and alm.worth.nll else None
        for name, alm in summary.alms.items()
    }


class _Rate(BaseModel):
    value: float | None = None


class _Rates(BaseModel):
    overall: _Rate


class _Worth(BaseModel):
    nll: _Rates | None = None


class _Alm(BaseModel):
    worth: _Worth | None = None


class _Summary(BaseModel):
    alms: dict[str, _Alm] = {}


_SUMMARY = TypeAdapter(_Summary)


def _finite(figures: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: round(float(value), _DIGITS)
        for name, value in figures.items()
        if value is not None and math.isfinite(value)
    }
