"""The table of sources at the end of a run: proper scores, JS, BC and accuracy, beside baselines and references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rich.table

from ambivox.models.reporting.measures import HEADINGS, format_measure, rank
from ambivox.models.reporting.source_names import SOURCE_NAMES
from ambivox.models.reporting.tables import Alignment, Table

_COLUMNS = ("source", *HEADINGS.values())
_RIGHT: Alignment = "right"
_ALIGNMENT: tuple[Alignment, ...] = ("left", *(_RIGHT for _ in HEADINGS))
_WITH_INTERVAL = ("nll", "squared_error")  # intervals of all measures are too wide for a terminal
_BEST = "bold green"


def sources_table(metrics: Mapping[str, Any], title: str) -> rich.table.Table:
    """Return the sources' metrics for the terminal.

    Sources without metrics are left out, and those that were made from the target votes: the distance of votes to
    themselves says nothing.

    Args:
        metrics: what validation/metrics.json holds: measures by source.
        title: the caption of the table.
    """
    known = [
        key
        for key in SOURCE_NAMES
        if isinstance(metrics.get(key), Mapping) and not metrics[key].get("made_from_the_target")
    ]
    ranked = [(rank(metrics[key]), key) for key in known if not SOURCE_NAMES[key].is_reference]
    best = min(ranked)[1] if len(ranked) > 1 else ""
    rows = [
        (SOURCE_NAMES[key].label, *(_cell(metrics[key], measure) for measure in HEADINGS)) for key in known
    ]
    styles = [_BEST if key == best else "dim" if SOURCE_NAMES[key].is_reference else "" for key in known]
    return Table(_COLUMNS, tuple(rows), title, _ALIGNMENT).terminal(styles)


def _cell(measures: Mapping[str, Any], name: str) -> str:
    text = format_measure(measures, name)
    return text if name in _WITH_INTERVAL else text.partition(" [")[0]
