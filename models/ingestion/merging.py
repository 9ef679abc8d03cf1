"""Adding votes to votes: an annotator's newer vote for an utterance replaces the older one."""

from __future__ import annotations

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.tables import Utterances, Votes


def add_votes(old: Votes | None, new: Votes, utterances: Utterances) -> tuple[Votes, int]:
    """Add new votes to old ones.

    Args:
        old: The votes there are, or None.
        new: The votes to add.
        utterances: The utterances that votes may be about.

    Returns:
        All new votes and those old ones whose annotator has no new vote for the same utterance, sorted; and the
        number of old rows that are replaced.

    Raises:
        UserError: The label sets differ from that of the utterances, or a vote is for an unknown utterance.
    """
    for votes in (new, *([old] if old else [])):
        if votes.labels != utterances.labels:
            raise UserError(f"the votes have the labels {votes.labels}, the utterances {utterances.labels}")
        unknown = votes.frame.filter(
            ~pl.col("utterance_id").is_in(utterances.frame["utterance_id"].implode())
        )
        if unknown.height:
            raise UserError(
                f"{counted(unknown.height, 'vote is', 'votes are')} for unknown utterances, the first is {unknown['utterance_id'][0]!r}"
            )
    columns = list(Votes.required)
    parts = [new.frame.select(columns)]
    if old is not None:
        parts.append(
            old.frame.select(columns).join(new.frame, on=["utterance_id", "annotator_id"], how="anti")
        )
    replaced = len(old) - parts[1].height if old is not None else 0
    merged = pl.concat(parts).sort("utterance_id", "annotator_id", "label")
    return Votes.check(merged, utterances.labels), replaced
