"""The votes in a user's table: in which of the shapes they are written, and in which columns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from ambivox.models.ingestion.annotator_columns import address_columns
from ambivox.models.ingestion.assignments import status_column, untrusted_column
from ambivox.models.ingestion.column_content import Source, may_be_labels
from ambivox.models.ingestion.columns import all_named, best_named, named_columns
from ambivox.models.ingestion.count_columns import count_columns, count_doubts
from ambivox.models.ingestion.label_columns import first_choices, label_columns
from ambivox.models.ingestion.list_columns import separated_labels, vote_lists
from ambivox.models.ingestion.nested import as_text
from ambivox.models.ingestion.rater_columns import rater_columns
from ambivox.models.ingestion.segments import place_columns
from ambivox.models.ingestion.sentences import sentence_columns
from ambivox.models.ingestion.table_parts import TABLE
from ambivox.models.ingestion.vote_columns import VoteColumns
from ambivox.models.ingestion.vote_plausibility import (
    describes_recordings,
    fill_down_doubts,
    is_a_result,
    opinions,
    repeats,
)

_MOST_REPEATS = 0.5  # of the rows, in which an annotator has a recording again
_NAMELESS = re.compile(r"^(_duplicated_\d+)?$")
_OTHER_ROLES = ("speaker", "transcript", "split", "language", "sex", "age")


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
    # Without a name, a column may hold anything, such as a pivot table's below a title.
    every = [column for column in frame.columns if column not in taken and not _NAMELESS.match(column)]
    columns = opinions(
        every
    )  # what a program or all raters together say is no vote, where there is another column
    shape = given.get("shape")
    spoken = sentence_columns(frame, columns)
    recording = (
        sorted(audio)
        or [c for role in ("utterance", "audio") if (c := best_named(role, columns)) and c not in spoken][:1]
    )
    keys = [column for column in (*recording, *sorted(places)) if not frame[column].dtype.is_nested()]
    finders: dict[str, Callable[..., VoteColumns | None]] = {
        "counts": partial(_counts, keys=keys),
        "raters": _raters,
        "rows": partial(label_columns, keys=keys),
        "list": _list,
    }
    order = [shape] if shape else ["list", "counts", "raters", "rows"]
    if not shape and best_named("annotator", columns) and frame.select(sorted(audio)).is_duplicated().any():
        order.remove("raters")  # an annotator's row for each vote
    best = None
    for chosen in [columns] if columns == every else [columns, every]:
        for name in order if best is None else ():
            candidate = finders[name](frame, chosen, given)
            if candidate is not None and (best is None or len(candidate.doubts) < len(best.doubts)):
                best = candidate
    if best is None:
        return None
    used = {value for value in best.options.values() if isinstance(value, str)}
    if best.options.get("shape", "rows") in ("rows", "counts", "list"):
        _add_annotator(best, frame, [column for column in columns if column not in used], given, keys)
    if best.options.get("shape", "rows") in ("rows", "list") and not best.tells_annotators:
        _add_part(best, frame, sorted(audio | places))
    _check_counts(best, frame, keys)
    weight = best_named("weight", columns)
    if best.options.get("shape", "rows") == "rows" and weight not in (None, "weight", given.get("weight")):
        best.options["weight"] = weight
        best.reasons["weight"] = "by its name"
    _add_status(best, frame, given)
    label = best.options.get("label", given.get("label", "label"))
    if best.options.get("shape", given.get("shape", "rows")) == "rows" and label in frame.columns:
        annotator = best.options.get("annotator", "annotator_id")
        needed = [*keys[:1], *([annotator] if best.tells_annotators and annotator in frame.columns else [])]
        best.doubts += fill_down_doubts(frame, label, needed)
    return best


def _add_annotator(
    found: VoteColumns,
    frame: pl.DataFrame,
    columns: Sequence[str],
    given: Mapping[str, Any],
    keys: Sequence[str],
) -> None:
    """Add the column of annotators: of several that are called so, the first in which an annotator has a recording once."""
    annotator, reason = given.get("annotator"), "as given"
    if annotator is None:
        named = [column for column in all_named("annotator", columns) if not frame[column].dtype.is_nested()]
        # The same name in every row is who owns the table.
        several = bool(keys) and frame.select(keys).is_duplicated().any()
        varying = [column for column in named if not several or frame[column].n_unique() > 1] or named
        annotator, reason = min(varying, key=lambda c: repeats(frame, c, keys), default=None), "by its name"
    if annotator is None and len(addresses := address_columns(frame, columns)) == 1:
        annotator, reason = addresses[0], "it holds e-mail addresses"
    # Argilla writes who gave the answers in a list of their own.
    users = f"{found.options.get('label', 'label')}.users"
    if annotator is None and users in frame.columns:
        annotator, reason = users, "it lists who gave the answers"
    if annotator is None:
        return
    found.tells_annotators = True
    if annotator != "annotator_id":
        found.options["annotator"] = annotator
        found.reasons["annotator"] = reason
    if "annotator" not in given and annotator in frame.columns and not frame[annotator].dtype.is_nested():
        if repeats(frame, annotator, keys) > _MOST_REPEATS:
            found.doubts.append(
                f"{annotator!r} stands beside the same recording again and again: it may be the speaker; name the column with "
                f"annotators (option annotator), or read it so: --options.annotator {shlex.quote(annotator)}"
            )
        names = as_text(frame[annotator]).drop_nulls().unique().sort()
        if results := [name for name in names if is_a_result(name)][:1]:
            found.doubts.append(
                f"{results[0]!r} in {annotator!r} may be no annotator; remove its rows, or read it as one: "
                f"--options.annotator {shlex.quote(annotator)}"
            )


def _add_part(found: VoteColumns, frame: pl.DataFrame, keys: Sequence[str]) -> None:
    """Take each part of the table for an annotator's, where several have an utterance, and each has it once at most."""
    if TABLE not in frame.columns or not keys or TABLE in keys:
        return
    rows = frame.select(*keys, TABLE).drop_nulls(keys[0])
    if rows.select(keys).is_duplicated().any() and not rows.is_duplicated().any():
        found.tells_annotators = True
        found.options["annotator"] = TABLE
        found.reasons["annotator"] = "one table per annotator"
        if results := [name for name in frame[TABLE].unique().sort() if is_a_result(name)]:
            found.doubts.append(
                f"the table {results[0]!r} may be no annotator's; take it out, or read it as one: --options.annotator {TABLE}"
            )


def _check_counts(found: VoteColumns, frame: pl.DataFrame, keys: Sequence[str]) -> None:
    """Doubt counts of a recording in several rows: each may be what one annotator thinks of it, in degrees."""
    if found.options.get("shape") != "counts" or found.tells_annotators or not keys:
        return
    if frame.select(keys).is_duplicated().any():
        found.doubts.append(
            f"{keys[0]!r} has several rows of numbers of votes; if each is an annotator's, name the column with annotators "
            "(option annotator)"
        )


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


def _list(frame: pl.DataFrame, columns: Sequence[str], given: Mapping[str, Any]) -> VoteColumns | None:
    """All votes of an utterance in one cell."""
    if "label" in given:
        columns = [column for column in columns if column == given["label"]]
    candidates = vote_lists(frame, columns)
    if not candidates:
        named = list(columns) if "label" in given else named_columns("label", columns)
        separated = separated_labels(frame, columns, named)
        if separated is None:
            return None
        options = {"shape": "list", "separator": separated[1]} | _label_option(separated[0])
        return VoteColumns(options, f"its cells hold labels with {separated[1]!r} between them")
    doubts = [f"the votes may be in {' or '.join(map(repr, candidates))}"] if len(candidates) > 1 else []
    options = {"shape": "list"} | _label_option(candidates[0])
    return VoteColumns(options, "its cells hold lists or dictionaries of votes", doubts=doubts)


def _label_option(column: str) -> dict[str, str]:
    return {} if column == "label" else {"label": column}


def _counts(
    frame: pl.DataFrame, columns: Sequence[str], given: Mapping[str, Any], keys: Sequence[str]
) -> VoteColumns | None:
    """One column of counts per label."""
    if "labels" in given and given.get("shape") == "counts":
        return VoteColumns({}, "as given")
    labels = count_columns(frame, columns)
    if not labels:
        return None
    doubts = count_doubts(frame, columns, labels)
    label = best_named("label", columns)
    if label is not None and may_be_labels(frame[label]) and not describes_recordings(frame, label, keys):
        doubts.append(f"the votes may be in {label!r} (option label) or in {', '.join(map(repr, labels))}")
    return VoteColumns(
        {"shape": "counts", "labels": labels},
        "columns of whole numbers that are named after labels",
        doubts=doubts,
    )


def _raters(frame: pl.DataFrame, columns: Sequence[str], given: Mapping[str, Any]) -> VoteColumns | None:
    """One column per annotator."""
    if "raters" in given:
        return VoteColumns({"shape": "raters"}, "as given", tells_annotators=True)
    found = rater_columns(frame, first_choices(columns))
    if found is None:
        return None
    options = {"shape": "raters", "raters": found.columns}
    return VoteColumns(options, found.reason, doubts=found.doubts, tells_annotators=True)
