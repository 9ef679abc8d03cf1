"""Checking the ratings of a corpus: which are usable, and why the others are not."""

from __future__ import annotations

import polars as pl

from ambivox.models.ingestion.corpus import no_rejects, rejected
from ambivox.models.tables import DIMENSIONS, Ratings
from ambivox.models.tables.ratings import within_scale


def check_ratings(
    ratings: pl.DataFrame | None, usable: pl.Series, labels: tuple[str, ...]
) -> tuple[Ratings | None, pl.DataFrame]:
    """Separate usable ratings from rejects. Ratings of utterances that were rejected go with them, as truth does.

    Args:
        ratings: What the loader read (``CorpusData.ratings``); None for a corpus without.
        usable: The ids of the utterances with usable audio.
        labels: The label set that all tables of the corpus carry.

    Returns:
        The usable ratings, None where there are none, and the rejects.
    """
    if ratings is None:
        return None, no_rejects()
    known = ratings.filter(pl.col("utterance_id").is_in(usable.implode()))
    # A row that the corpus repeats says nothing new; its vote is rejected.
    known = known.unique(["utterance_id", "annotator_id", *DIMENSIONS], keep="first", maintain_order=True)
    detail = pl.format(
        "arousal {}, valence {}, dominance {}; the scale is {} to {}",
        *(pl.col(name).cast(pl.String).fill_null("none") for name in DIMENSIONS),
        "lowest",
        "highest",
    )
    on_scale = known.filter(within_scale())
    is_first = on_scale.select(pl.struct("utterance_id", "annotator_id").is_first_distinct()).to_series()
    rejects = [
        rejected(known.filter(~within_scale()), "rating outside the scale", detail),
        rejected(on_scale.filter(~is_first), "several ratings of one annotator", detail),
    ]
    columns = [*Ratings.required, *Ratings.optional]
    usable_rows = on_scale.filter(is_first).select(columns).sort("utterance_id", "annotator_id")
    table = Ratings.check(usable_rows, labels) if usable_rows.height else None
    return table, pl.concat(rejects)
