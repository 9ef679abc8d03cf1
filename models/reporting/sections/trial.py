"""The sparse-vote trial: how good each source is when only few human votes are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambivox.models.reporting.estimates import format_estimate, format_number, parse_measure
from ambivox.models.reporting.json_tables import format_cell
from ambivox.models.reporting.parts import Section, pictures
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.source_names import source_label
from ambivox.models.reporting.tables import Table
from ambivox.models.statistics.ambiguity import TERTILES


def trial(run: Run) -> Section:
    """Describe the trial that keeps k votes per utterance and predicts the others; empty where it was not run."""
    section = Section("trial", "Few votes per utterance: the sparse-vote trial")
    content = run.json("trial/trial.json").get("rows")
    rows = [row for row in content if isinstance(row, Mapping)] if isinstance(content, list) else []
    if not rows:
        return section
    section.text.append(
        "In each test utterance, k human votes are kept and the others are the target. The ratio is the JS of a source "
        "divided by the JS of the k votes alone: below 1, the source is better than k votes alone. Ambiguity: tertiles "
        "of the entropy of all votes. Intent is an oracle: it replaces the ALM by the emotion that the actor was asked "
        "to express, with a fitted weight."
    )
    columns = [
        "votes kept",
        "source",
        "JS ↓",
        "ratio ↓",
        *(f"ratio, {tertile} ambiguity" for tertile in TERTILES),
    ]
    section.tables = [Table.of(columns, [_row(row) for row in rows], "JS to the votes that were not kept")]
    section.pictures = pictures(run.root / "trial")
    return section


def _row(row: Mapping[str, Any]) -> list[str]:
    ratios = [parse_measure(row.get("entropy"), tertile) for tertile in TERTILES]
    return [
        format_cell(row.get("votes")),
        source_label(format_cell(row.get("source"))),
        format_estimate(parse_measure(row, "js")),
        format_estimate(parse_measure(row, "over_human")),
        *("–" if ratio is None else format_number(ratio.value) for ratio in ratios),
    ]
