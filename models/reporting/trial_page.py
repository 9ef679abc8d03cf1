"""The sparse-vote trial as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ambivox.models.reporting.tables import markdown_table
from ambivox.models.statistics.ambiguity import TERTILES

_INTRODUCTION = (
    "nll (nats per vote), squared error and JS (base-2 divergence) to the votes not kept; the squared error and JS over "
    "those of the humans alone; squared error over the humans' by ambiguity tertile [95 % over {}]"
)
_UNDEFINED, _INFINITE = "undefined", "infinite"


def trial_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the trial's table, one row per number of kept votes and source.

    Args:
        rows: what trial.json holds; see ``trial_rows`` (models/evaluation/sparse_vote_tables.py). An undefined figure
            is None.
    """
    columns = ["votes", "source", "nll", "squared error", "JS", "squared error over human", "JS over human"]
    body = [
        [
            str(row["votes"]),
            row["source"],
            _INFINITE if row["nll_infinite"] else _with_interval(row["nll"], 3),
            _with_interval(row["squared_error"], 3),
            _with_interval(row["js"], 3),
            _with_interval(row["squared_error_over_human"], 2),
            _with_interval(row["over_human"], 2),
            *(_in_tertile(row["independent_votes"], tertile) for tertile in TERTILES),
        ]
        for row in rows
    ]
    over = sorted({row.get("intervals_over", "speakers") for row in rows})
    table = markdown_table([*columns, *TERTILES], body)
    return f"{_INTRODUCTION.format(' or '.join(over))}\n\n{table}\n"


def _in_tertile(by_tertile: Mapping[str, Any] | None, tertile: str) -> str:
    if by_tertile is None:
        return "too few votes"
    return _number(by_tertile[tertile]["squared_error_over_human"]["value"], 2)


def _with_interval(estimate: Mapping[str, float | None], digits: int) -> str:
    value, low, high = (_number(estimate[part], digits) for part in ("value", "low", "high"))
    return value if _UNDEFINED in (value, low, high) else f"{value} [{low}, {high}]"


def _number(value: float | None, digits: int) -> str:
    return _UNDEFINED if value is None else f"{value:.{digits}f}"
