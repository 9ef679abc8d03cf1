"""Validation: the distance of each source to human votes, overall, by ambiguity and by speaker group."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from ambivox.models.left_out import NOTE
from ambivox.models.reporting.estimates import display_name, format_estimate, format_number, parse_estimate
from ambivox.models.reporting.json_tables import format_cell, json_tables, merge_intervals
from ambivox.models.reporting.measures import EXPLANATION, format_measure
from ambivox.models.reporting.parts import Section, pictures
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.source_names import source_label, source_order
from ambivox.models.reporting.tables import Table
from ambivox.models.statistics.ambiguity import TERTILES
from ambivox.models.statistics.groups import few_groups
from ambivox.models.statistics.paired_tests import SIGNIFICANT_P

_FEW = ", because fewer than two test speakers are known: they say nothing about other speakers"
_GROUP_SOURCES = ("human", "human_mixture", "synthetic", "pooled", "ceiling")


def validation(run: Run) -> Section:
    """Describe the sources' metrics, their paired tests, and the metrics by ambiguity and by speaker group."""
    section = Section("validation", "Validation against human votes")
    metrics = run.json("validation/metrics.json")
    if metrics:
        target = (
            "the held-out votes, which the pipeline has not seen"
            if run.heldout is not None
            else "all human votes of the split test"
        )
        section.text.append(
            f"Only test speakers are scored; the target is {target}. Every utterance counts alike. {EXPLANATION} "
            f"Brackets show 95% intervals over {run.interval_unit}{_FEW if run.interval_unit == 'utterances' else ''}."
        )
        speakers = run.json("validation/details.json").get("speakers")
        if isinstance(speakers, int) and (warning := few_groups(speakers)):
            section.text.append(f"Caution: {warning}.")
    section.pictures = pictures(run, "validation")
    details = run.json("validation/details.json")
    groups = details.get("per_group")
    if isinstance(groups, Mapping) and groups and not any(groups.values()):
        section.text.append(
            f"Scores by speaker group cannot be given: {' and '.join(map(str, groups))} of the test speakers are unknown."
        )
    if isinstance(missing := details.get("tertiles_missing"), str):
        section.text.append(f"Scores by ambiguity cannot be given: {missing}.")
    # The distance of votes to themselves says nothing, as in the headline.
    unscored = {
        source
        for source, row in metrics.items()
        if isinstance(row, Mapping) and row.get("made_from_the_target")
    }
    section.folded = _tertile_tables(details, unscored) + _paired_test_tables(
        details, unscored, run.interval_unit
    )
    section.folded += _group_tables(details, unscored)
    section.details = json_tables(metrics, "sources")
    for path in sorted((run.root / "validation").glob("*.json")):
        if path.name not in ("metrics.json", NOTE):
            section.details += json_tables(run.json(f"validation/{path.name}"), display_name(path.stem))
    return section


def _figure(measures: Any, score: str) -> str:
    """A score of a cell, whose bounds are ``low`` and ``high`` for JS."""
    if not isinstance(measures, Mapping):
        return "–"
    if score == "js":
        return format_cell(merge_intervals(measures).get("js"))
    return format_measure(measures, score)


def _tertile_tables(details: Mapping[str, Any], unscored: Set[str]) -> list[Table]:
    tertiles = details.get("tertiles")
    by_definition = tertiles if isinstance(tertiles, Mapping) else {}
    tables = [
        _tertile_table(
            by_definition.get("independent_votes"),
            unscored,
            score,
            f"{display_name(score)} by ambiguity of the utterance (tertiles): half of the held-out votes measure the "
            "ambiguity, the other half is the target",
        )
        for score in ("nll", "squared_error")
    ]
    tables.append(
        _tertile_table(
            by_definition.get("paper"),
            unscored,
            "js",
            "JS by ambiguity of all votes, the target included (tertiles; ambiguity as defined in the paper, for "
            "comparison): the target’s own chance agreement favours sharp answers at low ambiguity",
        )
    )
    return [table for table in tables if table is not None]


def _tertile_table(levels: Any, unscored: Set[str], score: str, caption: str) -> Table | None:
    if not isinstance(levels, Mapping):
        return None
    by_level = {level: found if isinstance(found := levels.get(level), Mapping) else {} for level in TERTILES}
    sources = sorted(
        {source for measures in by_level.values() for source in measures if source not in unscored},
        key=source_order,
    )
    rows = [
        [source_label(source), *(_figure(by_level[level].get(source), score) for level in TERTILES)]
        for source in sources
    ]
    rows = [row for row in rows if set(row[1:]) != {"–"}]
    return Table.of(["source", *TERTILES], rows, caption)


def _paired_test_tables(details: Mapping[str, Any], unscored: Set[str], unit: str) -> list[Table]:
    tests = [
        test
        for test in details.get("paired_tests") or []
        if isinstance(test, Mapping) and not {test.get("first"), test.get("second")} & unscored
    ]
    rows = [
        [
            display_name(str(test.get("score", "js"))),
            f"{source_label(str(test.get('first')))} − {source_label(str(test.get('second')))}",
            format_estimate(parse_estimate({**test, "value": test.get("difference")})),
            _p_value(test, unit),
        ]
        for test in tests
    ]
    if not rows:
        return []
    caption = f"Differences, paired over {unit}; p is adjusted over the pairs of a score"
    return [Table.of(["score", "pair", "difference", "p (Holm)"], rows, caption)]


def _p_value(test: Mapping[str, Any], unit: str) -> str:
    """The p-value, and the smallest possible one where so few speakers or utterances cannot give a significant one."""
    p, least = format_cell(test.get("p_holm")), test.get("least_p_holm")
    if isinstance(least, float) and least >= SIGNIFICANT_P:
        return f"{p} (cannot be below {format_number(least)} with {test.get('speakers')} {unit})"
    return p


def _group_tables(details: Mapping[str, Any], unscored: Set[str]) -> list[Table]:
    kinds = details.get("per_group")
    tables = []
    for kind, groups in kinds.items() if isinstance(kinds, Mapping) else ():
        if not isinstance(groups, Mapping) or not groups:
            continue
        cells = [measures for measures in groups.values() if isinstance(measures, Mapping)]
        has_squared_error = any(
            isinstance(by_source, Mapping) and "squared_error" in by_source
            for measures in cells
            for by_source in measures.values()
        )
        score = "squared_error" if has_squared_error else "js"  # of earlier versions
        sources = [source for source in _GROUP_SOURCES if source not in unscored]
        columns = [str(kind), *map(source_label, sources)]
        rows = [
            [str(group), *(_figure(measures.get(source), score) for source in sources)]
            for group, measures in groups.items()
            if isinstance(measures, Mapping)
        ]
        tables.append(Table.of(columns, rows, f"{display_name(score)} by {kind} of the speaker"))
    return tables
