"""Columns of sentences: what was said, which is no id, even where every row has another one."""

from __future__ import annotations

import polars as pl

from ambivox.models.ingestion.cleaning import holds_text

_SAMPLE = 200
_MOST = 0.5  # of the distinct values
# A sentence ends like one, or has four words or more and no number; ids have numbers.
_SENTENCE = r"[.?!…。？！]['\"”’»)]*$|^[^\d]*\S\s+\S+\s+\S+\s+\S+[^\d]*$"
_NUMBER_WITH_A_POINT = r"^[\d\s.]+$"


def are_sentences(values: pl.Series) -> bool:
    """Tell whether a column holds free text.

    Args:
        values: The column.

    Example:
        >>> are_sentences(pl.Series(["Oh my God!", "I did not know that"])), are_sentences(pl.Series(["vera 1", "dia0_utt3"]))
        (True, False)
    """
    if not holds_text(values):
        return False
    texts = pl.col("value").drop_nulls().str.strip_chars().unique(maintain_order=True).head(_SAMPLE)
    is_sentence = texts.str.contains(_SENTENCE) & ~texts.str.contains(_NUMBER_WITH_A_POINT)
    return float(values.to_frame("value").select(is_sentence.mean()).item() or 0.0) > _MOST
