"""Columns that a user's tables may have, beside those that they must have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from ambivox.models.ingestion.columns import best_named
from ambivox.models.ingestion.delimited import LINE
from ambivox.models.ingestion.proposed_options import OPTIONAL_ROLES
from ambivox.models.ingestion.table_settings import column_of
from ambivox.models.ingestion.utterance_rows import are_splits, split_note


def optional_columns(
    table: pl.DataFrame, vote_table: pl.DataFrame, settings: Mapping[str, Any], notes: list[str]
) -> dict[str, str]:
    """Find the columns of optional roles: as given, as named by default, or by a synonym, with a note.

    Args:
        table: The utterances.
        vote_table: The votes.
        settings: Options of the corpus ``table``.
        notes: Where the notes go.

    Returns:
        Option -> column, of those that are there.
    """
    shape = settings.get("shape", "rows")
    used = {column_of(settings, role) for role in ("utterance", "audio", "label")}
    used |= {str(value) for value in settings.values() if isinstance(value, str)}
    used |= {*settings.get("raters", ()), *settings.get("labels", ())}
    optional: dict[str, str] = {}
    # A row of a survey with a column per clip describes the annotator.
    is_survey = table is vote_table and "clips" in settings
    roles = [] if is_survey else [(role, table) for role in OPTIONAL_ROLES]
    roles += [("annotator", vote_table)] if shape in ("rows", "counts", "list") else []
    roles += [("weight", vote_table)] if shape == "rows" else []
    for role, frame in roles:
        column = column_of(settings, role)
        if column in frame.columns:
            optional[role] = column
        elif role not in settings and role != "weight":
            free = [
                name for name in frame.columns if name not in used | set(optional.values()) and name != LINE
            ]
            synonym = best_named(role, free)
            if synonym is not None and role == "split" and not are_splits(frame[synonym]):
                notes += split_note(synonym, frame[synonym])
            elif synonym is not None:
                optional[role] = synonym
                notes.append(f"column {synonym!r} is read as the {role} (--options.{role} names another one)")
    return optional
