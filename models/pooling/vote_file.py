"""Votes that are counted where they lie: a Parquet file of any length, in bounded memory.

``VoteFile`` answers the two questions that pooling asks of ``Votes`` (which labels, how many votes per utterance
and label) by streaming the file, so memory grows with the number of utterances and not with that of votes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.tables import Votes

_UNIT = 2.0**40


def exact_sum(values: pl.Expr) -> pl.Expr:
    """The sum in fixed point (to 1e-12): a stream's order of summation then leaves no trace in the last digit."""
    return (values * _UNIT).round().cast(pl.Int64).sum() / _UNIT


class Counted(Protocol):
    """What can say how many votes each utterance got: ``Votes`` or a ``VoteFile``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set."""

    def counts(self, utterance_ids: pl.Series) -> np.ndarray:
        """Votes per label, ``n_NK``, rows in the order of ``utterance_ids``."""


@dataclass(frozen=True)
class VoteFile:
    """The human votes in a file that ``Votes.write`` made, checked as ``Votes.read`` checks them."""

    path: Path
    labels: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> VoteFile:
        """Check the file, streaming it once.

        Raises:
            UserError: no such file, no table of votes, a label outside the set, or a weight that is not positive.
        """
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected a table of votes")
        try:
            labels = json.loads(pl.read_parquet_metadata(path)["ambivox.labels"])
            schema = pl.read_parquet_schema(path)
        except (pl.exceptions.PolarsError, OSError, KeyError) as error:
            raise UserError(f"{path}: not a table of votes of Ambivox ({error})") from error
        # An empty frame of the same columns passes through the usual check of columns and types.
        Votes.check(pl.DataFrame(schema=schema), labels, origin=str(path))
        weight, label = pl.col("weight"), pl.col("label")
        bad = (
            pl.scan_parquet(path)
            .filter(
                pl.any_horizontal(pl.col(column).is_null() for column in Votes.required)
                | ~label.is_in(labels)
                | ~(weight > 0)
                | weight.is_infinite()
                | weight.is_nan()
                | ~pl.col("annotator_kind").is_in(["human", "alm"])
            )
            .head(1)
            .collect(engine="streaming")
        )
        if bad.height:
            Votes.check(bad, labels, origin=str(path))  # says what is wrong with it
            raise AssertionError(f"{path}: a row passes one check and fails the other: {bad.row(0)}")
        return cls(path, tuple(labels))

    def counts(self, utterance_ids: pl.Series) -> np.ndarray:
        """Human votes per label, ``n_NK``, rows in the order of ``utterance_ids`` (zeros where nobody voted)."""
        rows = len(utterance_ids)
        order = pl.LazyFrame({"utterance_id": utterance_ids, "_row": np.arange(rows, dtype=np.uint32)})
        each = [
            exact_sum(pl.when(pl.col("label") == label).then(pl.col("weight")).otherwise(0.0)).alias(f"_{k}")
            for k, label in enumerate(self.labels)
        ]
        counted = (
            pl.scan_parquet(self.path)
            .filter(pl.col("annotator_kind") == "human")
            .select("utterance_id", "label", "weight")
            .join(order, on="utterance_id")
            .group_by("_row")
            .agg(each)
            .collect(engine="streaming")
        )
        n_NK = np.zeros((rows, len(self.labels)))
        n_NK[counted["_row"].to_numpy()] = counted.drop("_row").to_numpy()
        return n_NK
