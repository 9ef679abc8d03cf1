"""Holding human votes back, to play a corpus with few votes where the truth about it is known better."""

from __future__ import annotations

import numpy as np
import polars as pl

from ambivox.models.errors import UserError


def hold_out(votes: pl.DataFrame, keep: int | None, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the votes of ``keep`` annotators an utterance, drawn without replacement; hold the others back.

    An annotator's labels stay together. An utterance with no more than ``keep`` annotators keeps them all.
    The draw depends on the seed and the table alone, not on the order of its rows.

    Args:
        votes: ``utterance_id``, ``annotator_id`` and more.
        keep: Annotators to keep; None keeps all.
        seed: Of the draw.

    Returns:
        Kept and held back, each sorted by utterance, annotator and label.

    Raises:
        UserError: ``keep`` is less than 1.
    """
    votes = votes.sort("utterance_id", "annotator_id", "label")
    if keep is None:
        return votes, votes.clear()
    if keep < 1:
        raise UserError(f"keep-votes must be at least 1, found {keep}")
    opinions = votes.select("utterance_id", "annotator_id").unique(maintain_order=True)
    chance = np.random.default_rng(seed).random(opinions.height)
    rank = pl.col("_chance").rank("ordinal").over("utterance_id")
    kept = opinions.with_columns(_chance=chance).select("utterance_id", "annotator_id", _kept=rank <= keep)
    marked = votes.join(kept, on=["utterance_id", "annotator_id"], how="left", maintain_order="left")
    return marked.filter("_kept").drop("_kept"), marked.filter(~pl.col("_kept")).drop("_kept")
