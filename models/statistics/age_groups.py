"""Ages in groups of ten years."""

from __future__ import annotations

import polars as pl


def decades(age_N: pl.Series) -> pl.Series:
    """The decade of each age, such as "20s"; null where the age is.

    Args:
        age_N: ages in years.

    Example:
        >>> decades(pl.Series([29.5, None])).to_list()
        ['20s', None]
    """
    return (age_N // 10 * 10).cast(pl.Int64).cast(pl.String) + "s"
