"""The votes in a user's table: in which of the shapes they are written, and in which columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from ambivox.models.ingestion.annotator_columns import address_columns
from ambivox.models.ingestion.assignments import status_column, untrusted_column
from ambivox.models.ingestion.column_content import Source, may_be_labels
from ambivox.models.ingestion.columns import best_named, named_columns, words
from ambivox.models.ingestion.count_columns import count_columns
from ambivox.models.ingestion.emotion_words import are_emotions
from ambivox.models.ingestion.list_columns import separated_labels, vote_lists
from ambivox.models.ingestion.segments import place_columns
from ambivox.models.ingestion.table_parts import TABLE

_NUMBERED = re.compile(r"^(.*?)[\s_.-]*(\d+|[A-Za-z])$")
_MOST_CLASSES = 10
# Words of columns that hold something else than one annotator's opinions.
_NO_ANNOTATORS = frozenset(
    {
        "label",
        "emotion",
        "intended",
        "acted",
        "target",
        "true",
        "truth",
        "gold",
        "majority",
        "final",
        "consensus",
        "mode",
    }
)
_SECOND = frozenset({"second", "secondary", "2nd", "minor", "alternative", "alternate"})
_OTHER_ROLES = ("speaker", "transcript", "split", "language", "sex", "age")


@dataclass
class VoteColumns:
    """Where a table has its votes.

    Attributes:
        options: Options of the corpus ``table``.
        reason: Why, for the user.
        reasons: The reasons of single options, where they differ.
        doubts: What the user should confirm.
        tells_annotators: Whether annotators are told apart.
        hints: What the user may want to add.
    """

    options: dict[str, Any]
    reason: str
    reasons: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    tells_annotators: bool = False
    hints: list[str] = field(default_factory=list)


def find_votes(source: Source, given: Mapping[str, Any], taken: set[str]) -> VoteColumns | None:
    """Find the votes of a table.

    Args:
        source: The table.
        given: Options that the user gave; a given shape is not changed.
        taken: Columns that hold something else.

    Returns:
        Where they are; None where the table has none.
    """
    frame = source.frame
    audio = taken & set(frame.columns)
    taken = taken | {column for role in _OTHER_ROLES if (column := best_named(role, frame.columns))}
    places = place_columns(frame, given, list(taken))
    taken |= places
    columns = [column for column in frame.columns if column not in taken]
    shape = given.get("shape")
    finders = {"counts": _counts, "raters": _raters, "rows": _rows, "list": _list}
    order = [shape] if shape else ["list", "counts", "raters", "rows"]
    if not shape and best_named("annotator", columns) and frame.select(sorted(audio)).is_duplicated().any():
        order.remove("raters")  # an annotator's row for each vote
    best = None
    for name in order:
        candidate = finders[name](frame, columns, given)
        if candidate is not None and (best is None or len(candidate.doubts) < len(best.doubts)):
            best = candidate
    if best is None:
        return None
    used = {value for value in best.options.values() if isinstance(value, str)}
    if best.options.get("shape", "rows") in ("rows", "counts", "list"):
        _add_annotator(best, frame, [column for column in columns if column not in used], given)
    if best.options.get("shape", "rows") in ("rows", "list") and not best.tells_annotators:
        _add_part(best, frame, sorted(audio | places))
    weight = best_named("weight", columns)
    if best.options.get("shape", "rows") == "rows" and weight not in (None, "weight", given.get("weight")):
        best.options["weight"] = weight
        best.reasons["weight"] = "by its name"
    _add_status(best, frame, given)
    return best


def _add_annotator(
    found: VoteColumns, frame: pl.DataFrame, columns: Sequence[str], given: Mapping[str, Any]
) -> None:
    annotator, reason = given.get("annotator") or best_named("annotator", columns), "by its name"
    if annotator is None and len(addresses := address_columns(frame, columns)) == 1:
        annotator, reason = addresses[0], "it holds e-mail addresses"
    if annotator is None:
        return
    found.tells_annotators = True
    if annotator != "annotator_id":
        found.options["annotator"] = annotator
        found.reasons["annotator"] = reason


def _add_part(found: VoteColumns, frame: pl.DataFrame, keys: Sequence[str]) -> None:
    """Take each part of the table for an annotator's, where several have an utterance, and each has it once at most."""
    if TABLE not in frame.columns or not keys or TABLE in keys:
        return
    rows = frame.select(*keys, TABLE).drop_nulls(keys[0])
    if rows.select(keys).is_duplicated().any() and not rows.is_duplicated().any():
        found.tells_annotators = True
        found.options["annotator"] = TABLE
        found.reasons["annotator"] = "one table per annotator"


def _add_status(found: VoteColumns, frame: pl.DataFrame, given: Mapping[str, Any]) -> None:
    """Add the column that says whether an assignment was rejected, where there is one."""
    if "status" in given:
        return
    if (column := status_column(frame)) is not None:
        found.options["status"] = column
        found.reasons["status"] = "votes of rejected, returned and expired assignments are left out"
    elif (column := untrusted_column(frame)) is not None:
        found.options |= {"status": column, "leave_out": ["false"]}
        found.reasons |= dict.fromkeys(("status", "leave_out"), "judgments that are not trusted are left out")


def _rows(frame: pl.DataFrame, columns: Sequence[str], given: Mapping[str, Any]) -> VoteColumns | None:
    """One row per vote: the label by its name, or else by its content."""
    if "label" in given:
        return VoteColumns({}, "as given") if given["label"] in frame.columns else None
    named = [column for column in named_columns("label", columns) if may_be_labels(frame[column])]
    # Beside an annotator's first choice, a second one is not read.
    named = [column for column in named if not set(words(column)) & _SECOND] or named
    exact = best_named("label", columns)
    if exact is not None and _are_few_numbers(frame[exact]):
        values = ", ".join(frame[exact].cast(pl.String).drop_nulls().unique().sort())
        doubt = (
            f"the labels in {exact!r} are numbers ({values}); --options.label {exact} reads them as they are"
        )
        return VoteColumns({"label": exact}, "by its name", doubts=[doubt])
    if exact in named:
        return VoteColumns({} if exact == "label" else {"label": exact}, "by its name")
    if len(named) == 1:
        return VoteColumns({"label": named[0]}, "by its name, and it has few distinct values")
    columns = [column for column in columns if not set(words(column)) & _SECOND] or columns
    others = {best_named(role, columns) for role in ("annotator", "utterance")} | {
        *address_columns(frame, columns)
    }
    by_content = named or [c for c in columns if c not in others and may_be_labels(frame[c])]
    if not by_content:
        return None
    emotions = [column for column in by_content if are_emotions(frame[column])]
    if len(emotions) == 1:
        return VoteColumns({"label": emotions[0]}, "its values are words for emotions")
    doubt = f"the labels may be in {' or '.join(map(repr, by_content))}: few distinct values"
    return VoteColumns({"label": by_content[0]}, "it has few distinct values", doubts=[doubt])


def _are_few_numbers(values: pl.Series) -> bool:
    """Whether a column holds at most ten different whole numbers."""
    if values.dtype.is_nested() or values.dtype == pl.Boolean:
        return False
    numbers = values.drop_nulls().cast(pl.String).cast(pl.Float64, strict=False).unique()
    is_whole = numbers.is_not_null().all() and (numbers == numbers.round()).all()
    return 1 < len(numbers) <= _MOST_CLASSES and bool(is_whole)


def _list(frame: pl.DataFrame, columns: Sequence[str], given: Mapping[str, Any]) -> VoteColumns | None:
    """All votes of an utterance in one cell."""
    if "label" in given:
        columns = [column for column in columns if column == given["label"]]
    candidates = vote_lists(frame, columns)
    if not candidates:
        named = list(columns) if "label" in given else named_columns("label", columns)
        separated = separated_labels(frame, named)
        if separated is None:
            return None
        options = {"shape": "list", "separator": separated[1]} | _label_option(separated[0])
        return VoteColumns(options, f"its cells hold labels with {separated[1]!r} between them")
    doubts = [f"the votes may be in {' or '.join(map(repr, candidates))}"] if len(candidates) > 1 else []
    options = {"shape": "list"} | _label_option(candidates[0])
    return VoteColumns(options, "its cells hold lists or dictionaries of votes", doubts=doubts)


def _label_option(column: str) -> dict[str, str]:
    return {} if column == "label" else {"label": column}


def _counts(frame: pl.DataFrame, columns: Sequence[str], given: Mapping[str, Any]) -> VoteColumns | None:
    """One column of counts per label."""
    if "labels" in given and given.get("shape") == "counts":
        return VoteColumns({}, "as given")
    labels = count_columns(frame, columns)
    if not labels:
        return None
    return VoteColumns(
        {"shape": "counts", "labels": labels}, "columns of whole numbers that are named after labels"
    )


def _raters(frame: pl.DataFrame, columns: Sequence[str], given: Mapping[str, Any]) -> VoteColumns | None:
    """One column per annotator: numbered columns that share their labels."""
    if "raters" in given:
        return VoteColumns({"shape": "raters"}, "as given", tells_annotators=True)
    groups: dict[str, list[str]] = {}
    for column in columns:
        if match := _NUMBERED.match(column):
            groups.setdefault(match[1].lower(), []).append(column)
    best: list[str] = []
    for group in groups.values():
        texts = [column for column in group if frame[column].dtype == pl.String]
        filled = [column for column in texts if frame[column].drop_nulls().len()]
        if (
            len(filled) > 1
            and len(filled) > len(best)
            and may_be_labels(pl.concat([frame[c].rename("") for c in filled]))
        ):
            best = texts
    if best:
        options = {"shape": "raters", "raters": best}
        return VoteColumns(options, "numbered columns that share their labels", tells_annotators=True)
    named = [column for column in columns if may_be_labels(frame[column]) and are_emotions(frame[column])]
    if len(named) < 2:
        return None
    doubts = [f"the columns {', '.join(map(repr, named))} may each hold an annotator's labels"]
    if len(named) > 2 and not any(set(words(column)) & _NO_ANNOTATORS for column in named):
        doubts = []
    options = {"shape": "raters", "raters": named}
    return VoteColumns(options, "columns that hold emotions", doubts=doubts, tells_annotators=True)
