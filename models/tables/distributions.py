"""The table of distributions: one row per utterance, with one probability per label."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.tables.table import Table, check_unique

SOURCES = ("human", "synthetic", "combined", "pooled")
# Without an ALM, to compare with: human votes smoothed, pooled with the corpus prior, and pooled with the mixture.
BASELINES = ("human_smoothed", "human_prior", "human_mixture")


class Distributions(Table):
    """One row per utterance: the distribution from one source, in one column per label after the fixed columns."""

    name = "distributions"
    renamed: ClassVar = {"effective_synthetic_votes": "equivalent_votes"}
    required: ClassVar = {
        "utterance_id": pl.String,
        "source": pl.String,
        "human_votes": pl.Float64,
        "equivalent_votes": pl.Float64,
    }

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        check_unique(frame, "utterance_id", "utterance", where)
        missing = [label for label in labels if label not in frame.columns]
        if missing:
            raise UserError(f"{where}distributions lack the columns of labels {missing}")
        p_NK = frame.select(labels).to_numpy()
        bad_N = ~np.isfinite(p_NK).all(1) | (p_NK < 0).any(1) | (np.abs(p_NK.sum(1) - 1) > 1e-6)
        if bad_N.any():
            row = int(np.flatnonzero(bad_N)[0])
            raise UserError(
                f"{where}{counted(int(bad_N.sum()), 'distribution does', 'distributions do')} not sum to 1 or hold negative or missing numbers; "
                f"the first is {frame['utterance_id'][row]!r}: {p_NK[row].tolist()}"
            )

    @classmethod
    def of(
        cls,
        utterance_ids: pl.Series,
        source: str,
        p_NK: np.ndarray,
        labels: tuple[str, ...],
        human_votes_N: np.ndarray | float = 0.0,
        equivalent_votes_N: np.ndarray | float = 0.0,
    ) -> Distributions:
        """Make a table from an array of distributions.

        Args:
            utterance_ids: N utterances.
            source: Where the distributions come from: one of SOURCES, or another name.
            p_NK: N distributions over K labels; rows sum to 1.
            labels: The K labels, in order.
            human_votes_N: Human votes per utterance; one number for all.
            equivalent_votes_N: What the ALM's distribution is worth in human votes, per utterance.

        Returns:
            The checked table.

        Raises:
            UserError: A row does not sum to 1, or an utterance occurs twice.
        """
        rows = len(utterance_ids)
        fixed = {
            "utterance_id": utterance_ids,
            "source": [source] * rows,
            "human_votes": np.broadcast_to(np.asarray(human_votes_N, dtype=float), rows),
            "equivalent_votes": np.broadcast_to(np.asarray(equivalent_votes_N, dtype=float), rows),
        }
        return cls.check(pl.DataFrame(fixed | {label: p_NK[:, k] for k, label in enumerate(labels)}), labels)

    def aligned(self, utterance_ids: pl.Series) -> np.ndarray:
        """Look up the distributions of some utterances.

        Args:
            utterance_ids: N utterances.

        Returns:
            ``p_NK``, rows in the order of ``utterance_ids``, columns in the order of ``labels``.

        Raises:
            UserError: An utterance has no distribution here.
        """
        joined = pl.DataFrame({"utterance_id": utterance_ids}).join(
            self.frame, on="utterance_id", how="left", maintain_order="left"
        )
        absent = joined.filter(pl.col("source").is_null())["utterance_id"]
        if len(absent):
            raise UserError(
                f"{counted(len(absent), 'utterance has', 'utterances have')} no distribution, the first is {absent[0]!r}"
            )
        return joined.select(self.labels).to_numpy()
