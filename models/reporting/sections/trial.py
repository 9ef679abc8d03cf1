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
    "nll − human + mixture ↓": "nll_minus_human_mixture",
    "ratio of squared error ↓": "squared_error_over_human",
    "ratio of JS ↓": "over_human",
}
#: Key of a row, name of the ratio in its tertiles, caption.
_BY_AMBIGUITY = (
    ("independent_votes", "squared_error_over_human", "Ratio of squared error, by ambiguity"),
    (
        "entropy",
        "",
        "For comparison: ratio of JS, by tertiles of the entropy of all votes, the target included",
    ),
)


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
        "ALM adds is the difference in nll to human + mixture. Ambiguity: tertiles of the entropy of half of the votes that "
        "were not kept, scored against the other half. Pooled, by JS and nll is fitted to lower JS as well, which is lowest for "
        "distributions that are sharper than the truth. Intent is an oracle: it replaces the ALM by the emotion that the actor "
        "was asked to express, with a fitted weight."
    )
    section.folded = [
        Table.of(list(_COLUMNS), [_row(row) for row in rows], "Distance to the votes that were not kept")
    ]
    for key, name, caption in _BY_AMBIGUITY:
        if any(isinstance(row.get(key), Mapping) for row in rows):
            columns = ["votes kept", "source", *(f"{tertile} ambiguity" for tertile in TERTILES)]
            cells = [_tertile_row(row, key, name) for row in rows]
            section.folded.append(Table.of(columns, cells, caption))
    section.pictures = pictures(run, "trial")
    return section


def _row(row: Mapping[str, Any]) -> list[str]:
    return [
        format_cell(row.get("votes")),
        source_label(format_cell(row.get("source"))),
        *(format_measure(row, measure) for measure in list(_COLUMNS.values())[2:]),
    ]


def _tertile_row(row: Mapping[str, Any], key: str, name: str) -> list[str]:
    """The ratio ``name`` of every tertile; the tertile itself is the ratio where there is no name."""
    levels = row.get(key)
    by_level = levels if isinstance(levels, Mapping) else {}
    ratios = [
        parse_measure(by_level.get(tertile), name) if name else parse_measure(by_level, tertile)
        for tertile in TERTILES
    ]
    return [
        format_cell(row.get("votes")),
        source_label(format_cell(row.get("source"))),
        *(format_estimate(ratio) for ratio in ratios),
    ]
