"""The proposal for a survey: a row per annotator, and a column per clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from ambivox.models.ingestion.assignments import status_column
from ambivox.models.ingestion.clip_columns import clip_columns, shared_ids
from ambivox.models.ingestion.column_content import Source
from ambivox.models.ingestion.columns import best_named
from ambivox.models.ingestion.label_columns import are_few_numbers, numbers_doubt
from ambivox.models.ingestion.nested import as_text
from ambivox.models.ingestion.proposed_options import Proposal, add_place


def add_clips(
    sources: Sequence[Source], utterances: Source | None, given: Mapping[str, Any], proposal: Proposal
) -> bool:
    """Propose a row per annotator and a column per clip, where columns are named after clips.

    Args:
        sources: The tables that the user has.
        utterances: The one with recordings, if there is one.
        given: Options that the user gave.
        proposal: Where the options go.

    Returns:
        Whether there are such columns.
    """
    if given.get("shape", "clips") != "clips" or "label" in given:
        return False
    for source in sources:
        shared = shared_ids(utterances, source) if utterances and source is not utterances else None
        clips = clip_columns(source) if utterances is None else shared[1] if shared else []
        if not clips:
            continue
        proposal.missing = []
        add_place("", utterances or source, given, proposal)
        if utterances is not None:
            add_place("votes", source, given, proposal)
        if shared and shared[0] != "utterance_id":
            proposal.add("utterance", shared[0], "columns of the votes are named after it")
        if "shape" not in given:
            proposal.add("shape", "clips", "columns are named after recordings or utterances")
        if "clips" not in given:
            proposal.add("clips", clips, "they are named after recordings or utterances")
            labels = pl.concat([as_text(source.frame[clip]).rename("") for clip in clips])
            if are_few_numbers(labels):
                proposal.doubts.append(numbers_doubt(",".join(clips), labels, "clips"))
        others = [c for c in source.frame.columns if c not in given.get("clips", clips)]
        # The same address in every row is whose survey it is.
        varying = [c for c in others if source.frame[c].dtype.is_nested() or source.frame[c].n_unique() > 1]
        annotator = given.get("annotator") or best_named("annotator", varying)
        if annotator and annotator != "annotator_id" and "annotator" not in given:
            proposal.add("annotator", annotator, "by its name")
        status = status_column(source.frame)
        if status and "status" not in given:
            proposal.add("status", status, "votes of rejected, returned and expired assignments are left out")
        return True
    return False
