"""The table of sources at the end of a run: JS, BC and accuracy beside the corpus prior and the human ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rich.table

from ambivox.models.reporting.estimates import Estimate, parse_measure
from ambivox.models.reporting.source_names import SOURCE_NAMES
from ambivox.models.reporting.tables import Alignment, Table

_COLUMNS = ("source", "JS (base 2) ↓", "95% interval", "BC ↑", "accuracy ↑")
_ALIGNMENT: tuple[Alignment, ...] = ("left", "right", "right", "right", "right")
_BEST = "bold green"


def sources_table(metrics: Mapping[str, Any], title: str) -> rich.table.Table:
    """Return the sources' metrics for the terminal; sources without metrics are left out.

    Sources that were made from the target votes have no figures.

    Args:
        metrics: what validation/metrics.json holds: measures by source.
        title: the caption of the table.
    """
    known = [key for key in SOURCE_NAMES if isinstance(metrics.get(key), Mapping)]
    # The distance of votes to themselves says nothing.
    scored = {key: {} if metrics[key].get("made_from_the_target") else metrics[key] for key in known}
    js = {key: parse_measure(scored[key], "js") for key in known}
    ranked = [
        (estimate.value, key)
        for key, estimate in js.items()
        if estimate is not None and not SOURCE_NAMES[key].is_reference
    ]
    best = min(ranked)[1] if ranked else ""
    rows = [
        (
            SOURCE_NAMES[key].label,
            _value(js[key]),
            _interval(js[key]),
            _value(parse_measure(scored[key], "bc")),
            _value(parse_measure(scored[key], "accuracy")),
        )
        for key in known
    ]
    styles = [_BEST if key == best else "dim" if SOURCE_NAMES[key].is_reference else "" for key in known]
    return Table(_COLUMNS, tuple(rows), title, _ALIGNMENT).terminal(styles)


def _value(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{estimate.value:.3f}"


def _interval(estimate: Estimate | None) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f}-{estimate.high:.3f}"
