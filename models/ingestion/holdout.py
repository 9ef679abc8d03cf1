"""Holding out human votes, to simulate a corpus with few votes where more are known."""

from __future__ import annotations

import numpy as np
import polars as pl

from ambivox.models.errors import UserError


def hold_out(votes: pl.DataFrame, keep: int | None, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the votes of ``keep`` annotators per utterance, drawn without replacement; hold out the others.

    An annotator's labels for an utterance stay together. An utterance with no more than ``keep`` annotators keeps
    them all. The draw depends on the seed and the table alone, not on the order of its rows.

    Args:
        votes: ``utterance_id``, ``annotator_id`` and further columns.
        keep: Annotators to keep per utterance, at least 1; None keeps all.
        seed: The seed of the draw.

    Returns:
        The kept votes and the held-out votes, each sorted by utterance, annotator and label.

    Raises:
        UserError: ``keep`` is less than 1.
    """
    votes = votes.sort("utterance_id", "annotator_id", "label")
    if keep is None:
        return votes, votes.clear()
    if keep < 1:
        raise UserError(f"keep-votes must be at least 1, found {keep}")
    annotators = votes.select("utterance_id", "annotator_id").unique(maintain_order=True)
    random_order = np.random.default_rng(seed).random(annotators.height)
    rank = pl.col("_random").rank("ordinal").over("utterance_id")
    kept = annotators.with_columns(_random=random_order).select(
        "utterance_id", "annotator_id", _kept=rank <= keep
    )
    marked = votes.join(kept, on=["utterance_id", "annotator_id"], how="left", maintain_order="left")
    return marked.filter("_kept").drop("_kept"), marked.filter(~pl.col("_kept")).drop("_kept")
