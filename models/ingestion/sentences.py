"""Columns of sentences: what was said, which is no id, even where every row has another one."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ambivox.models.ingestion.cleaning import holds_text

_SAMPLE = 200
_MOST = 0.5  # of the distinct values
# A sentence ends like one, or has four words or more and no number; ids have numbers.
_SENTENCE = r"[.?!…。？！]['\"”’»)]*$|^[^\d]*\S\s+\S+\s+\S+\s+\S+[^\d]*$"
_NUMBER_WITH_A_POINT = r"^[\d\s.]+$"


def sentence_columns(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """List the columns that hold free text.

    Args:
        frame: The table.
        columns: The columns to choose from.

    Example:
        >>> sentence_columns(pl.DataFrame({"text": ["Oh my God!", "I did not know that"], "id": ["vera 1", "dia0_utt3"]}), ["text", "id"])
        ['text']
    """
    with_text = [column for column in columns if holds_text(frame[column])]
    if not with_text:
        return []
    texts = pl.all().drop_nulls().str.strip_chars().unique(maintain_order=True).head(_SAMPLE)
    is_sentence = texts.str.contains(_SENTENCE) & ~texts.str.contains(_NUMBER_WITH_A_POINT)
    shares = frame[with_text].select(is_sentence.mean()).row(0)
    return [column for column, share in zip(with_text, shares, strict=True) if share and share > _MOST]
