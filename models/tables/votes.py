"""The table of votes: one row per label that an annotator gave to an utterance."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.tables.table import Table, check_one_of


class Votes(Table):
    """One row per utterance, annotator and label; ``annotator_kind`` is human or alm.

    The weights of one human's labels for one utterance sum to 1.
    """

    name = "votes"
    required: ClassVar = {
        "utterance_id": pl.String,
        "annotator_id": pl.String,
        "annotator_kind": pl.String,
        "label": pl.String,
        "weight": pl.Float64,
    }

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        check_one_of(frame, "annotator_kind", ("human", "alm"), where)
        check_one_of(frame, "label", labels, where)
        # polars orders NaN above every number, so finiteness needs its own test.
        if frame.filter((pl.col("weight") <= 0) | ~pl.col("weight").is_finite()).height:
            raise UserError(f"{where}a vote's weight must be positive and finite")

    def counts(self, utterance_ids: pl.Series) -> np.ndarray:
        """Sum the weights of the votes per utterance and label.

        Args:
            utterance_ids: N utterances, in the order of the result; they need not have votes.

        Returns:
            ``n_NK``, float64, K labels in the order of ``labels``; zeros where nobody voted.
        """
        order = pl.DataFrame(
            {"utterance_id": utterance_ids, "_row": np.arange(len(utterance_ids), dtype=np.int64)}
        )
        column = pl.DataFrame(
            {"label": list(self.labels), "_column": np.arange(len(self.labels), dtype=np.int64)}
        )
        cells = (
            self.frame.lazy()
            .join(order.lazy(), on="utterance_id")
            .join(column.lazy(), on="label")
            .group_by("_row", "_column")
            .agg(pl.col("weight").sum())
            .sort("_row", "_column")
            .collect()
        )
        n_NK = np.zeros((len(utterance_ids), len(self.labels)))
        n_NK[cells["_row"].to_numpy(), cells["_column"].to_numpy()] = cells["weight"].to_numpy()
        return n_NK
