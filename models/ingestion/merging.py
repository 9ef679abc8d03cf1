"""Adding votes to votes: an annotator's newer opinion of an utterance takes the place of the older."""

from __future__ import annotations

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.tables import Utterances, Votes


def add_votes(old: Votes | None, new: Votes, utterances: Utterances) -> tuple[Votes, int]:
    """All votes of ``new``, and those of ``old`` whose annotator has not voted anew; sorted.

    Returns:
        The votes, and how many rows of ``old`` are replaced.

    Raises:
        UserError: label sets differ from the utterances', or a vote is about no utterance.
    """
    for votes in (new, *([old] if old else [])):
        if votes.labels != utterances.labels:
            raise UserError(f"the votes have the labels {votes.labels}, the utterances {utterances.labels}")
        strange = votes.frame.filter(
            ~pl.col("utterance_id").is_in(utterances.frame["utterance_id"].implode())
        )
        if strange.height:
            raise UserError(
                f"{strange.height} votes are about no utterance here, the first {strange['utterance_id'][0]!r}"
            )
    columns = list(Votes.required)
    kept = [new.frame.select(columns)]
    if old is not None:
        kept.append(
            old.frame.select(columns).join(new.frame, on=["utterance_id", "annotator_id"], how="anti")
        )
    replaced = len(old) - kept[1].height if old is not None else 0
    whole = pl.concat(kept).sort("utterance_id", "annotator_id", "label")
    return Votes.check(whole, utterances.labels), replaced
