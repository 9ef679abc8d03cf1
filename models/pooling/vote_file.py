"""Counting the votes of a Parquet file by streaming it, in bounded memory.

``VoteFile`` offers what pooling needs of ``Votes`` (the label set, the votes per utterance and label). Its memory
grows with the number of utterances and not with that of votes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.parquet_files import check_opened_size, reading, stored_labels
from ambivox.models.tables import Votes

_EXPECTED = "a table of votes"
_UNIT = 2.0**40  # of the fixed-point numbers that are summed


def exact_sum(values: pl.Expr) -> pl.Expr:
    """The sum of a column in fixed point, exact to 1e-12 per value, whatever the order of summation.

    A streaming engine sums in any order, which changes the last digits of a floating-point sum.

    Args:
        values: a numeric expression.

    Examples:
        >>> pl.DataFrame({"x": [0.5, 0.25]}).select(exact_sum(pl.col("x"))).item()
        0.75
    """
    return (values * _UNIT).round().cast(pl.Int64).sum() / _UNIT


class VoteCounts(Protocol):
    """Anything that counts the votes per utterance: ``Votes`` or a ``VoteFile``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set."""

    def counts(self, utterance_ids: pl.Series) -> np.ndarray:
        """Votes per utterance and label.

        Args:
            utterance_ids: N utterances.

        Returns:
            ``n_NK``, rows in the order of ``utterance_ids``.
        """


@dataclass(frozen=True)
class VoteFile:
    """The human votes in a file that ``Votes.write`` wrote, with the checks of ``Votes.read``.

    Attributes:
        path: the file.
        labels: the label set.
    """

    path: Path
    labels: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> VoteFile:
        """Check the file by streaming it once.

        Args:
            path: a table of votes.

        Raises:
            UserError: no such file, not a table of votes, a label outside the set, or a weight that is not
                positive.
        """
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected a table of votes")
        check_opened_size(path, _EXPECTED)
        with reading(str(path), _EXPECTED):
            labels = stored_labels(pl.read_parquet_metadata(path), str(path), _EXPECTED)
            schema = pl.read_parquet_schema(path)
        # The usual check of columns and types, on an empty frame with the same columns.
        Votes.check(pl.DataFrame(schema=schema), labels, origin=str(path))
        weight, label = pl.col("weight"), pl.col("label")
        bad = (
            pl.any_horizontal(pl.col(column).is_null() for column in Votes.required)
            | ~label.is_in(labels)
            | ~(weight > 0)
            | weight.is_infinite()
            | weight.is_nan()
            | ~pl.col("annotator_kind").is_in(["human", "alm"])
        )
        with reading(str(path), _EXPECTED):
            first_bad = pl.scan_parquet(path).filter(bad).head(1).collect(engine="streaming")
        if first_bad.height:
            Votes.check(first_bad, labels, origin=str(path))  # raises, and names the problem
            raise AssertionError(f"{path}: a row passes one check and fails the other: {first_bad.row(0)}")
        return cls(path, labels)

    def counts(self, utterance_ids: pl.Series) -> np.ndarray:
        """Human votes per utterance and label.

        Args:
            utterance_ids: N utterances.

        Returns:
            ``n_NK``, rows in the order of ``utterance_ids``; zeros where nobody voted.
        """
        rows = len(utterance_ids)
        order = pl.LazyFrame({"utterance_id": utterance_ids, "_row": np.arange(rows, dtype=np.uint32)})
        sums = [
            exact_sum(pl.when(pl.col("label") == label).then(pl.col("weight")).otherwise(0.0)).alias(f"_{k}")
            for k, label in enumerate(self.labels)
        ]
        with reading(str(self.path), _EXPECTED):
            counts = (
                pl.scan_parquet(self.path)
                .filter(pl.col("annotator_kind") == "human")
                .select("utterance_id", "label", "weight")
                .join(order, on="utterance_id")
                .group_by("_row")
                .agg(sums)
                .collect(engine="streaming")
            )
        n_NK = np.zeros((rows, len(self.labels)))
        n_NK[counts["_row"].to_numpy()] = counts.drop("_row").to_numpy()
        return n_NK
