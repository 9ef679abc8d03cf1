"""The table of all utterances, which a reader sorts, filters and searches: its rows as JSON inside the page.

A script of our own (utterance_table.js) and DataTables (vendor/) draw it. The browser runs no other script: the page's policy
names the hashes of these two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from ambivox.models.reporting.emotion_colours import label_colours
from ambivox.models.reporting.inline_svg import distribution_bar
from ambivox.models.reporting.json_tables import format_cell
from ambivox.models.reporting.source_names import source_label
from ambivox.models.reporting.utterance_figures import UtteranceFigures

#: Rows of the document itself, for readers without scripts.
_WRITTEN_ROWS = 20
_UNSAFE = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


@dataclass(frozen=True)
class WrittenRow:
    """A row that is in the document whether or not scripts run."""

    utterance_id: str
    anchor: str
    split: str
    speaker: str
    transcript: str
    seconds: str
    votes: str
    label: str
    bar: Markup
    ambiguity: str
    disagreement: str
    gain: str


@dataclass(frozen=True)
class UtteranceTable:
    """The table, with what a reader has to know about it.

    Attributes:
        data: JSON for the script; no character of it can end its element.
        rows: the first rows.
        shown: how many rows the script shows.
        total: how many utterances there are.
        source: whose distributions are shown.
        has_speakers: whether any speaker is known.
        has_transcripts: whether any transcript is known.
        has_disagreement: whether it is known how far humans and ALM disagree.
        has_gain: whether it is known what one more vote would improve.
    """

    data: Markup
    rows: list[WrittenRow]
    shown: int
    total: int
    source: str
    has_speakers: bool
    has_transcripts: bool
    has_disagreement: bool
    has_gain: bool


def utterance_table(figures: UtteranceFigures, anchors: Mapping[int, str], limit: int) -> UtteranceTable:
    """Return the table.

    Args:
        figures: of all utterances.
        anchors: by row, where in the page the utterance can be heard.
        limit: the most rows; of a larger corpus, those in ``anchors`` and an even selection of the others are shown.
    """
    total = figures.frame.height
    selected = _selected(total, list(anchors), limit)
    frame = figures.frame[selected]
    dominant = figures.dominant()
    columns: dict[str, list[Any]] = {
        "id": frame["utterance_id"].to_list(),
        "anchor": [anchors.get(row, "") for row in selected],
        "split": frame["split"].to_list(),
        "speaker": _texts(frame["speaker"].to_list()),
        "transcript": [format_cell(text) if text else "" for text in frame["transcript"].to_list()],
        "seconds": np.round(frame["duration_seconds"].to_numpy(), 1).tolist(),
        "votes": np.round(figures.votes_NK[selected].sum(1), 2).tolist(),
        "label": [dominant[row] for row in selected],
        "p": np.round(100 * figures.p_NK[selected]).astype(int).tolist(),
        "ambiguity": _numbers(figures.entropy_N[selected]),
        "disagreement": _numbers(figures.disagreement_N[selected]),
        "gain": _numbers(figures.gain_N[selected]),
    }
    has = {
        name: any(value not in ("", None) for value in columns[name])
        for name in ("speaker", "transcript", "disagreement", "gain")
    }
    colours = label_colours(figures.labels)
    content = {
        "labels": list(figures.labels),
        "colours": [colours[label] for label in figures.labels],
        "hidden": [name for name, is_known in has.items() if not is_known],
        "columns": columns,
    }
    return UtteranceTable(
        _script_json(content),
        _written(columns, figures.p_NK[selected], figures.labels),
        len(selected),
        total,
        source_label(figures.source),
        has["speaker"],
        has["transcript"],
        has["disagreement"],
        has["gain"],
    )


def _selected(total: int, wanted: list[int], limit: int) -> list[int]:
    if total <= limit:
        return list(range(total))
    others = np.setdiff1d(np.arange(total), wanted)
    number = max(limit - len(wanted), 0)
    spread = others[np.linspace(0, len(others) - 1, number).astype(int)] if number else others[:0]
    return sorted([*wanted, *spread.tolist()])


def _written(columns: Mapping[str, list[Any]], p_NK: np.ndarray, labels: tuple[str, ...]) -> list[WrittenRow]:
    return [
        WrittenRow(
            columns["id"][row],
            columns["anchor"][row],
            columns["split"][row],
            columns["speaker"][row],
            columns["transcript"][row],
            f"{columns['seconds'][row]:.1f}",
            f"{columns['votes'][row]:g}",
            columns["label"][row],
            distribution_bar(p_NK[row], labels),
            _figure(columns["ambiguity"][row], 2),
            _figure(columns["disagreement"][row], 2),
            _figure(columns["gain"][row], 4),
        )
        for row in range(min(_WRITTEN_ROWS, len(columns["id"])))
    ]


def _script_json(content: Any) -> Markup:
    """JSON in which no sign can end the element or begin a comment."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_UNSAFE))  # noqa: S704  (every < > & is escaped)


def _numbers(value_N: np.ndarray) -> list[float | None]:
    return [round(float(value), 4) if np.isfinite(value) else None for value in value_N]


def _texts(values: list[str | None]) -> list[str]:
    return [value or "" for value in values]


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
