"""The sparse-vote trial as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ambivox.models.reporting.tables import markdown_table
from ambivox.models.statistics.ambiguity import TERTILES

_INTRODUCTION = "JS (base-2 divergence) to the votes not kept, over that of the humans alone [95 % over {}]"
_UNDEFINED = "undefined"


def trial_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the trial's table, one row per number of kept votes and source.

    Args:
        rows: what trial.json holds: ``votes``, ``source``, ``js``, ``over_human`` and, by tertile of the plain
            entropy of all votes, ``entropy``; each figure with its 95% interval over speakers, or over
            ``intervals_over``. An undefined figure is None.
    """
    columns = ["votes", "source", "JS", "over human", *TERTILES]
    body = [
        [
            str(row["votes"]),
            row["source"],
            _with_interval(row["js"], 3),
            _with_interval(row["over_human"], 2),
            *(_number(row["entropy"][tertile]["value"], 2) for tertile in TERTILES),
        ]
        for row in rows
    ]
    over = sorted({row.get("intervals_over", "speakers") for row in rows})
    return f"{_INTRODUCTION.format(' or '.join(over))}\n\n{markdown_table(columns, body)}\n"


def _with_interval(estimate: Mapping[str, float | None], digits: int) -> str:
    value, low, high = (_number(estimate[part], digits) for part in ("value", "low", "high"))
    return value if _UNDEFINED in (value, low, high) else f"{value} [{low}, {high}]"


def _number(value: float | None, digits: int) -> str:
    return _UNDEFINED if value is None else f"{value:.{digits}f}"
