"""What people chose in Potato, from its tables: CSV or TSV with a row per annotator and item, and a column per label.

Potato 1 wrote ``annotated_instances.csv`` (``output_annotation_format: csv`` or ``tsv``), Potato 2 exports
``annotations.csv``, in which ``emotion`` holds the final answer where more than one was stored for a single choice:

    user,instance_id,displayed_text,emotion:::anger,emotion:::joy,span_annotation:::x
    r1,u1,,true,,[]

    instance_id,user_id,annotator_origin,emotion.anger,emotion.joy,emotion
    u1,r1,human,anger,,
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ambivox.models.errors import UserError
from ambivox.models.exchange._potato_entries import Entry, is_chosen, is_human
from ambivox.models.ingestion.reading import read_csv

_ITEM = "instance_id"
_USERS = ("user_id", "user")
_ORIGIN = "annotator_origin"
_PLAIN = frozenset(
    [
        *(_ITEM, *_USERS, "displayed_text", "line"),
        *(_ORIGIN, "annotator_origin_detail", "engine_request", "engine_purpose"),
    ]
)
_SEPARATORS = (":::", ".")
# What stands where a label stands, and is none.
_NO_LABELS = frozenset({"_spans", "_room", "_room_id"})
_SPANS = "span_annotation"


def read_table(path: Path, control: str) -> Iterator[Entry]:
    """Read a table of Potato's.

    Args:
        path: The table, in any encoding that tables have.
        control: The name of the scheme with the labels, which may hold a point.

    Yields:
        What was chosen.

    Raises:
        UserError: It is no table of Potato's.
    """
    frame = read_csv(path, [_ITEM])
    columns = [
        (name, scheme, label)
        for name in frame.columns
        if name not in _PLAIN
        for scheme, label in [_parts(name, control)]
        if scheme != _SPANS and label not in _NO_LABELS
    ]
    if not any(label for _, _, label in columns) and control not in frame.columns:
        raise UserError(
            f"{path}: no column holds choices; expected columns such as '{control}:::LABEL' or '{control}.LABEL' of "
            f"Potato's result (--control names the scheme), found {', '.join(frame.columns[:12])}"
        )
    user = next((name for name in _USERS if name in frame.columns), None)
    for row in frame.iter_rows(named=True):
        yield Entry(
            user=row[user] if user else None,
            utterance_id=row[_ITEM] or "",
            values=_values(row, columns),
            is_human=is_human(row.get(_ORIGIN)),
        )


def _parts(column: str, control: str) -> tuple[str, str]:
    """The scheme and the label of a column; no label where the column is a scheme's own."""
    for separator in _SEPARATORS:
        if column.startswith(control + separator):
            return control, column[len(control + separator) :]
    separator = next((one for one in _SEPARATORS if one in column), _SEPARATORS[0])
    scheme, _, label = column.partition(separator)
    return scheme, label


def _values(row: dict[str, Any], columns: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for name, scheme, label in columns:
        if label and row[name] is not None:
            values.setdefault(scheme, {})[label] = row[name]
    for name, scheme, label in columns:
        final = row[name]
        # A scheme's own column holds what counts; where it holds no label, it is a value of one.
        if not label and final:
            chosen = [other for other, value in values.get(scheme, {}).items() if is_chosen(other, value)]
            if final in chosen or not chosen:
                values[scheme] = {final: final}
    return values
