"""Settings of a user's table: the options of the corpus ``table`` from the caller and from the mapping beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ambivox.models.errors import UserError, unknown
from ambivox.models.ingestion.mapping_file import mapping_path, read_mapping

SHAPES = ("rows", "counts", "raters", "clips", "list")
#: States of an assignment whose votes do not count.
LEFT_OUT = (
    *(
        "rejected",
        "returned",
        "timed-out",
        "expired",
        "reject",
        "ignore",
        "withdrawn",
        "discarded",
        "screened out",
    ),
    *("survey preview", "survey test", "spam"),
)
#: Options that name a column, and the column's name by default; label and annotator are those of votes.
COLUMNS = {
    "utterance": "utterance_id",
    "audio": "audio",
    "transcript": "transcript",
    "speaker": "speaker",
    "split": "split",
    "language": "language",
    "sex": "sex",
    "age": "age",
    "annotator": "annotator_id",
    "label": "label",
    "weight": "weight",
}
_TIMES = ("start", "end", "duration", "channel")
_OTHER = {
    "utterances",
    "votes",
    "speakers",
    "sheet",
    "votes_sheet",
    "shape",
    "vote_utterance",
    "status",
    "separator",
    *_TIMES,
}
_LISTS = {"labels", "raters", "clips", "leave_out"}


def read_settings(root: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Put together the settings of a table; what the caller gave comes before the mapping beside the table.

    Args:
        root: The folder with the tables, or a table.
        given: Options that the caller gave.

    Returns:
        Options by name; lists as tuples.

    Raises:
        UserError: The mapping has an unknown option, or a value of another kind.
    """
    settings = dict(given)
    where = mapping_path(root)
    for name, value in read_mapping(root).items():
        if name not in {*COLUMNS, *_OTHER, *_LISTS}:
            raise unknown(f"option in {where}", name, {*COLUMNS, *_OTHER, *_LISTS})
        if name in _LISTS:
            parts = value.split(",") if isinstance(value, str) else value
            if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
                raise UserError(f'{where}: {name}: expected a list such as ["a", "b"], found {value!r}')
            settings.setdefault(name, tuple(part.strip() for part in parts))
        elif not isinstance(value, str):
            raise UserError(f"{where}: {name}: expected text, found {value!r}")
        else:
            settings.setdefault(name, value)
    if settings.get("shape", "rows") not in SHAPES:
        raise unknown(f"shape in {where}", str(settings["shape"]), SHAPES)
    return settings


def column_of(settings: Mapping[str, Any], option: str) -> str:
    """Return the column that an option names, or its default.

    Args:
        settings: Options by name.
        option: A key of COLUMNS.
    """
    return str(settings.get(option, COLUMNS[option]))
