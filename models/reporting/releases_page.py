"""A corpus through its releases: one HTML page with the figures of every version, made from the JSON files of their cards."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ambivox.models.reporting.estimates import display_name, format_estimate, format_number, parse_measure
from ambivox.models.reporting.figures.releases import releases_figure
from ambivox.models.reporting.figures.style import svg
from ambivox.models.reporting.measures import HEADINGS, format_measure
from ambivox.models.reporting.reading import with_present_keys
from ambivox.models.reporting.rendering import render
from ambivox.models.reporting.source_names import SOURCE_NAMES, source_label
from ambivox.models.reporting.tables import Table

_COUNTS = ("utterances", "speakers", "hours", "human_votes")
_COMPARED = ("human", "human_mixture", "synthetic", "combined", "pooled", "ceiling")
_PLACES = 3


def read_releases(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the contents of the cards of a corpus, the first version first; files that are no cards are left out.

    Args:
        folder: of the cards, NAME-VERSION.json.
        name: of the corpus.
    """
    releases = []
    for path in sorted(folder.glob(f"{name}-v*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError, RecursionError):
            continue
        if (
            isinstance(content, dict)
            and content.get("name") == name
            and isinstance(content.get("metrics"), dict)
        ):
            content["metrics"] = with_present_keys("metrics.json", content["metrics"])
            releases.append(content)
    return sorted(releases, key=lambda release: _version(str(release.get("version"))))


def releases_page(name: str, releases: Sequence[Mapping[str, Any]]) -> str:
    """Return the page; equal releases give equal text.

    Args:
        name: of the corpus.
        releases: what ``read_releases`` returned, at least one.
    """
    versions = [str(release.get("version")) for release in releases]
    figure = base64.b64encode(svg(releases_figure(versions, [release["metrics"] for release in releases])))
    return render(
        "releases.html.j2",
        name=name,
        verdict=_verdict(releases),
        picture=f"data:image/svg+xml;base64,{figure.decode('ascii')}",
        tables=[_content_table(releases, versions), *_score_tables(releases, versions)],
    )


def _verdict(releases: Sequence[Mapping[str, Any]]) -> str:
    """What changed from the last release but one to the last."""
    if len(releases) < 2:
        return "There is one release so far; the next one will be compared with it."
    before, now = releases[-2], releases[-1]
    for score in ("nll", "squared_error", "js"):
        earlier, later = (parse_measure(one["metrics"].get("pooled"), score) for one in (before, now))
        if earlier is None or later is None:
            continue
        change = later.value - earlier.value
        word = "better" if change < 0 else "worse" if change > 0 else "unchanged"
        overlap = "" if earlier.overlaps(later) is not True else "; the intervals overlap"
        return (
            f"{now.get('version')} against {before.get('version')}: pooled is {word} by {display_name(score)}, "
            f"{format_estimate(later)} against {format_estimate(earlier)}{overlap}."
        )
    return "The last two releases have no score in common."


def _content_table(releases: Sequence[Mapping[str, Any]], versions: Sequence[str]) -> Table:
    rows = [["date", *(str(release.get("date") or "–")[:10] for release in releases)]]
    for key in _COUNTS:
        values = [release.get(key) for release in releases]
        rows.append(
            [display_name(key), *(format_number(v) if isinstance(v, int | float) else "–" for v in values)]
        )
    rows.append(["ALMs", *(_alms(release) for release in releases)])
    return Table.of(["", *versions], rows, "Content")


def _alms(release: Mapping[str, Any]) -> str:
    annotators = release.get("annotators")
    known = annotators if isinstance(annotators, list) else []
    names = {
        f"{one.get('alm')} ({str(one.get('revision'))[:12]})" for one in known if isinstance(one, Mapping)
    }
    return ", ".join(sorted(names)) or "–"


def _score_tables(releases: Sequence[Mapping[str, Any]], versions: Sequence[str]) -> list[Table]:
    tables = []
    for score, heading in HEADINGS.items():
        rows = [
            [
                source_label(source),
                *(format_measure(release["metrics"].get(source), score) for release in releases),
            ]
            for source in (source for source in SOURCE_NAMES if source in _COMPARED)
        ]
        rows = [row for row in rows if set(row[1:]) != {"–"}]
        if rows:
            tables.append(
                Table.of(["source", *versions], rows, f"{heading}, with 95% intervals over speakers")
            )
    return tables


def _version(version: str) -> tuple[int, ...]:
    """Such as v1.2 as (1, 2, 0)."""
    parts = [int(part) if part.isdigit() else 0 for part in version.removeprefix("v").split(".")]
    return tuple((parts + [0] * _PLACES)[:_PLACES])
