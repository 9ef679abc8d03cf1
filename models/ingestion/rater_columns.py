"""Columns that each hold one annotator's labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from ambivox.models.ingestion.cleaning import holds_text
from ambivox.models.ingestion.column_content import may_be_labels
from ambivox.models.ingestion.columns import named_columns, words
from ambivox.models.ingestion.emotion_words import are_emotions, are_mostly_emotions
from ambivox.models.ingestion.vote_plausibility import opinions

_NUMBER = re.compile(r"(?<![\s_.-])[\s_.-]*(?:(?<!\d)\d+|[A-Za-z])$")  # at the end of a column's name
_COPY = re.compile(r"^(.*)_duplicated_\d+$")  # of a column's name that stands twice in a header
_NO_ANNOTATORS = frozenset(
    ("label", "emotion", "note", "notes", "comment", "comments", "remark", "remarks", "kommentar", "bemerkung", "notiz")
)  # fmt: skip


@dataclass
class RaterColumns:
    """Columns with the labels of one annotator each.

    Attributes:
        columns: Their names.
        reason: Why, for the user.
        doubts: What the user should confirm.
    """

    columns: list[str]
    reason: str
    doubts: list[str] = field(default_factory=list)


def rater_columns(frame: pl.DataFrame, columns: Sequence[str]) -> RaterColumns | None:
    """Find the columns that hold the labels of one annotator each.

    Args:
        frame: The table.
        columns: Those that may be meant.

    Returns:
        Numbered columns, or ones of one name, that share their labels; else those that hold words for emotions; None
        where there are fewer than two.
    """
    groups = _groups(frame, columns)
    if groups:
        return _best_group(frame, groups)
    named = [column for column in columns if may_be_labels(frame[column]) and are_emotions(frame[column])]
    # One annotator's word that is not known does not make the column another thing than its neighbours.
    named = [
        column
        for column in columns
        if column in named or (named and may_be_labels(frame[column]) and are_mostly_emotions(frame[column]))
    ]
    persons = [column for column in opinions(named) if not set(words(column)) & _NO_ANNOTATORS]
    if len(named) < 2:
        return None
    if len(persons) > 2 or (len(persons) == 2 and len(named) > 2):
        return RaterColumns(persons, "columns that hold emotions")
    doubt = f"the columns {', '.join(map(repr, named))} may each hold an annotator's labels"
    return RaterColumns(named, "columns that hold emotions", [doubt])


def _groups(frame: pl.DataFrame, columns: Sequence[str]) -> list[list[str]]:
    """Columns of text that share a name but for a number, a letter or being a copy, and share their labels."""
    named: dict[str, list[str]] = {}
    copied = {match[1] for column in columns if (match := _COPY.match(column))}
    for column in columns:
        name = column
        if match := _COPY.match(column):
            name = match[1]
        elif column not in copied and (match := _NUMBER.search(column)):
            name = column[: match.start()]
        if match or column in copied:
            named.setdefault(name.lower(), []).append(column)
    groups = []
    for group in named.values():
        texts = [column for column in group if frame[column].dtype == pl.String]
        filled = [column for column in texts if holds_text(frame[column])]
        if len(filled) > 1 and may_be_labels(_together(frame, filled)):
            groups.append(texts)
    return groups


def _best_group(frame: pl.DataFrame, groups: Sequence[list[str]]) -> RaterColumns:
    """The group with words for emotions, or the largest one; doubted where another may be meant."""
    emotions = [group for group in groups if are_emotions(_together(frame, group))]
    likely = emotions or list(groups)
    most = max(map(len, likely))
    largest = [group for group in likely if len(group) == most]
    best, doubts = largest[0], []
    if len(largest) > 1:
        names = " or ".join(", ".join(map(repr, group)) for group in largest)
        doubts.append(f"the annotators' labels may be in {names} (option raters)")
    for group in groups:
        if group != best and len(group) == len(best) and named_columns("annotator", group[:1]):
            doubts.append(
                f"{', '.join(map(repr, group))} may hold who gave the labels in {', '.join(map(repr, best))}: write a row per "
                f"vote, or read each column as one annotator: --options.raters {','.join(best)}"
            )
    return RaterColumns(best, "numbered columns that share their labels", doubts)


def _together(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    return pl.concat([frame[column].rename("") for column in columns])
