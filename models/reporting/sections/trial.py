"""The sparse-vote trial: how good each source is when only few human votes are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambivox.models.reporting.estimates import format_estimate, parse_measure
from ambivox.models.reporting.json_tables import format_cell
from ambivox.models.reporting.measures import format_measure
from ambivox.models.reporting.parts import Section, pictures
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.source_names import source_label
from ambivox.models.reporting.tables import Table
from ambivox.models.statistics.ambiguity import TERTILES

#: Heading -> key of a row.
_COLUMNS = {
    "votes kept": "votes",
    "source": "source",
    "nll ↓": "nll",
    "squared error ↓": "squared_error",
    "JS ↓": "js",
    "nll − human + prior ↓": "nll_minus_human_prior",
    "ratio of squared error ↓": "squared_error_over_human",
    "ratio of JS ↓": "over_human",
}


def trial(run: Run) -> Section:
    """Describe the trial that keeps k votes per utterance and predicts the others; empty where it was not run."""
    section = Section("trial", "Few votes per utterance: the sparse-vote trial")
    content = run.json("trial/trial.json").get("rows")
    rows = [row for row in content if isinstance(row, Mapping)] if isinstance(content, list) else []
    if not rows:
        return section
    section.text.append(
        "In each test utterance, k human votes are kept and the others are the target. The ratios divide the squared error, "
        "or the JS, of a source by that of the k votes alone: below 1, the source is better than k votes alone. What the "
        "ALM adds is the difference in nll to human + prior. Ambiguity: tertiles of the entropy of half of the votes that "
        "were not kept, scored against the other half. Intent is an oracle: it replaces the ALM by the emotion that the "
        "actor was asked to express, with a fitted weight."
    )
    section.tables = [
        Table.of(list(_COLUMNS), [_row(row) for row in rows], "Distance to the votes that were not kept")
    ]
    if any(isinstance(row.get("independent_votes"), Mapping) for row in rows):
        columns = ["votes kept", "source", *(f"{tertile} ambiguity" for tertile in TERTILES)]
        caption = "Ratio of squared error, by ambiguity"
        section.tables.append(Table.of(columns, [_tertile_row(row) for row in rows], caption))
    section.pictures = pictures(run.root / "trial")
    return section


def _row(row: Mapping[str, Any]) -> list[str]:
    return [
        format_cell(row.get("votes")),
        source_label(format_cell(row.get("source"))),
        *(format_measure(row, measure) for measure in list(_COLUMNS.values())[2:]),
    ]


def _tertile_row(row: Mapping[str, Any]) -> list[str]:
    levels = row.get("independent_votes")
    by_level = levels if isinstance(levels, Mapping) else {}
    return [
        format_cell(row.get("votes")),
        source_label(format_cell(row.get("source"))),
        *(
            format_estimate(parse_measure(by_level.get(tertile), "squared_error_over_human"))
            for tertile in TERTILES
        ),
    ]
