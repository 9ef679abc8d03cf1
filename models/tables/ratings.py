"""The table of ratings: how aroused, positive and dominant annotators found utterances, on a scale of numbers."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from ambivox.models.counted import counted
from ambivox.models.errors import UserError
from ambivox.models.tables.table import Table

DIMENSIONS = ("arousal", "valence", "dominance")


class Ratings(Table):
    """One row per utterance and annotator; no ``annotator_id`` marks the mean that the corpus itself gives.

    ``lowest`` and ``highest`` are the ends of the scale. A dimension that an annotator did not rate is null. Ratings are
    carried through, not pooled.
    """

    name = "ratings"
    required: ClassVar = {"utterance_id": pl.String, "lowest": pl.Float64, "highest": pl.Float64}
    optional: ClassVar = {
        "annotator_id": pl.String,
        "arousal": pl.Float64,
        "valence": pl.Float64,
        "dominance": pl.Float64,
    }

    @classmethod
    def _check_values(cls, frame: pl.DataFrame, labels: tuple[str, ...], where: str) -> None:
        doubled = frame.filter(pl.struct("utterance_id", "annotator_id").is_duplicated())
        if doubled.height:
            raise UserError(f"{where}{doubled['utterance_id'][0]!r} has several ratings of one annotator")
        outside = frame.filter(~within_scale())
        if outside.height:
            raise UserError(
                f"{where}{counted(outside.height, 'rating is', 'ratings are')} outside their scale or rate nothing, the first is of "
                f"{outside['utterance_id'][0]!r}"
            )

    def means(self) -> pl.DataFrame:
        """The mean rating of each utterance: the corpus's own where it gives one, else that of the annotators.

        Returns:
            ``utterance_id``, a column per dimension (null where nobody rated it), ``lowest`` and ``highest``; sorted.
        """
        own = pl.col("annotator_id").is_null()
        means = [
            pl.coalesce(pl.col(name).filter(own).first(), pl.col(name).filter(~own).mean()).alias(name)
            for name in DIMENSIONS
        ]
        ends = pl.col("lowest", "highest").first()
        return self.frame.group_by("utterance_id").agg(*means, ends).sort("utterance_id")


def within_scale() -> pl.Expr:
    """Whether a row rates something, and every rating is finite and on the scale."""
    columns = [pl.col(name) for name in DIMENSIONS]
    on_scale = [
        column.is_null() | (column.is_finite() & column.is_between(pl.col("lowest"), pl.col("highest")))
        for column in columns
    ]
    is_scale = pl.col("lowest").is_finite() & pl.col("highest").is_finite()
    return pl.all_horizontal(*on_scale, is_scale) & pl.any_horizontal(
        column.is_not_null() for column in columns
    )
